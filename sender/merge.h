/* Recipients of a mail that are one address in the end: names of this machine that root= stands
 * for, beside each other or beside that address itself. The server is asked for it once, or that
 * person would get as many copies; what comes of it holds for each of them.
 */
#pragma once

#include "smtp.h"

typedef struct Merge Merge;

/* mail, with each address (address_equal()) once: the first of its recipients stands for the
 * others. The outcomes of all are brought up to date before its about_to_commit() is called, and by
 * merge_end(). Borrows mail. NULL where there is nothing to merge. Returns owned: merge_end(). */
Merge *merge_begin(const SmtpMail *mail);

/* What is to be sent in the place of mail. Borrowed from merge. */
const SmtpMail *merge_mail(const Merge *merge);

/* Gives each recipient of mail the outcome of its address, and frees. NULL is fine. */
void merge_end(Merge *merge);
