/* `small-google ctl DIR VERB …`: the control socket for people and shell scripts. */
#ifndef SIM_CTL_H
#define SIM_CTL_H

/* The arguments behind "ctl". Prints the answer on stdout, an error on stderr; returns the exit
 * code: 0, 1 when it was refused, 2 for wrong usage. */
int ctl_main(int n_arguments, char **arguments);

#endif
