/* Runs a program and ends it, or fails it, at one of its system calls:
 *
 *   killer [--disk] [--points FILE] [--at N [--fail ERRNO] [--from]] -- PROGRAM [ARGUMENT]...
 *
 * The points are the entries into system calls, counted from 1, of all threads of the program; of
 * the programs that it starts none is counted or touched. --disk counts only what changes, syncs or
 * locks files; of the writes those into regular files. --points writes their names, a line for
 * each.
 *
 * --at N: at the N-th point the program gets SIGKILL, and that call is never made. With --fail the
 * call is not made either, but returns ERRNO (EIO, ENOSPC, EINTR, EROFS), and with --from so does
 * every later point. SIGTERM is passed on. Exits as the program did, with 128 + N for signal N, and
 * with 125 when tracing does not work here.
 *
 * Linux 5.3 and newer (PTRACE_GET_SYSCALL_INFO).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NO_TRACING 125

/* Calls that the tests choose by name. */
typedef struct {
    uint64_t number;
    const char *name;
    bool disk;
} Call;

static const Call calls[] = {
    {SYS_write, "write", true},
    {SYS_writev, "writev", true},
    {SYS_pwrite64, "pwrite", true},
    {SYS_ftruncate, "ftruncate", true},
    {SYS_fsync, "fsync", true},
    {SYS_fdatasync, "fdatasync", true},
    {SYS_linkat, "linkat", true},
    {SYS_unlinkat, "unlinkat", true},
    {SYS_renameat, "renameat", true},
    {SYS_renameat2, "renameat2", true},
    {SYS_mkdirat, "mkdirat", true},
    {SYS_flock, "flock", true},
    {SYS_sendmsg, "sendmsg", false},
    {SYS_sendto, "sendto", false},
    {SYS_recvmsg, "recvmsg", false},
    {SYS_recvfrom, "recvfrom", false},
    {SYS_connect, "connect", false},
    {SYS_close, "close", false},
    {SYS_exit_group, "exit_group", false},
#ifdef SYS_rename /* newer architectures have the ...at calls alone */
    {SYS_rename, "rename", true},
    {SYS_link, "link", true},
    {SYS_unlink, "unlink", true},
    {SYS_mkdir, "mkdir", true},
#endif
};

typedef struct {
    bool disk_only, from;
    long at;  /* 0: never */
    int fail; /* 0: it is killed */
    FILE *points;
    char **argv;
    long seen;
    pid_t failing[64]; /* threads in a call that was taken away; 0: free */
} Trace;

static volatile sig_atomic_t program_pid;

static void pass_on(int signal_number)
{
    if (program_pid > 0)
        (void)kill((pid_t)program_pid, signal_number); /* one that is gone needs none */
}

_Noreturn static void give_up(const char *what)
{
    fprintf(stderr, "killer: %s: %s\n", what, strerror(errno));
    exit(EXIT_NO_TRACING);
}

static const Call *find_call(const struct __ptrace_syscall_info *info)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].number == info->entry.nr)
            return &calls[i];
    return NULL;
}

static bool is_regular(pid_t thread, uint64_t fd)
{
    char path[64];
    struct stat st;
    (void)snprintf(path, sizeof path, "/proc/%d/fd/%llu", (int)thread, (unsigned long long)fd);
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_of_the_disk(pid_t thread, const struct __ptrace_syscall_info *info, const Call *call)
{
    const uint64_t creating = (O_CREAT | O_TMPFILE) & ~(uint64_t)O_DIRECTORY;
    if (info->entry.nr == SYS_openat)
        return (info->entry.args[2] & creating) != 0;
    if (info->entry.nr == SYS_write || info->entry.nr == SYS_writev)
        return is_regular(thread, info->entry.args[0]);
    return call && call->disk;
}

/* ---- registers ---- */

#if defined(__x86_64__)

static void take_call_away(pid_t thread)
{
    if (ptrace(PTRACE_POKEUSER, thread, offsetof(struct user_regs_struct, orig_rax), -1L) != 0)
        give_up("POKEUSER");
}

static void set_result(pid_t thread, long result)
{
    if (ptrace(PTRACE_POKEUSER, thread, offsetof(struct user_regs_struct, rax), result) != 0)
        give_up("POKEUSER");
}

#elif defined(__aarch64__)

static void take_call_away(pid_t thread)
{
    int number = -1;
    struct iovec io = {&number, sizeof number};
    if (ptrace(PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, &io) != 0)
        give_up("SETREGSET");
}

static void set_result(pid_t thread, long result)
{
    struct user_regs_struct registers;
    struct iovec io = {&registers, sizeof registers};
    if (ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &io) != 0)
        give_up("GETREGSET");
    registers.regs[0] = (unsigned long long)result;
    if (ptrace(PTRACE_SETREGSET, thread, NT_PRSTATUS, &io) != 0)
        give_up("SETREGSET");
}

#else
#error "killer.c: tell it how this architecture numbers a system call"
#endif

/* ---- the points ---- */

static pid_t *failing_slot(Trace *trace, pid_t thread)
{
    for (size_t i = 0; i < sizeof trace->failing / sizeof *trace->failing; i++)
        if (trace->failing[i] == thread)
            return &trace->failing[i];
    return NULL;
}

static void fail_call(Trace *trace, pid_t thread)
{
    pid_t *slot = failing_slot(trace, 0);
    if (!slot) {
        errno = ENOSPC;
        give_up("too many threads");
    }
    *slot = thread;
    take_call_away(thread);
}

static void on_entry(Trace *trace, pid_t thread, const struct __ptrace_syscall_info *info)
{
    const Call *call = find_call(info);
    if (trace->disk_only && !is_of_the_disk(thread, info, call))
        return;
    trace->seen++;
    if (trace->points && call)
        fprintf(trace->points, "%s\n", call->name);
    else if (trace->points)
        fprintf(trace->points, "%llu\n", (unsigned long long)info->entry.nr);
    bool is_it =
        trace->at > 0 && (trace->from ? trace->seen >= trace->at : trace->seen == trace->at);
    if (is_it && trace->fail)
        fail_call(trace, thread);
    else if (is_it)
        (void)kill((pid_t)program_pid, SIGKILL); /* it is there: it is stopped */
}

static void on_call(Trace *trace, pid_t thread)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) < 0)
        return; /* it was killed meanwhile */
    pid_t *failing = failing_slot(trace, thread);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        on_entry(trace, thread, &info);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && failing) {
        *failing = 0;
        set_result(thread, -trace->fail);
    }
}

/* Until the program has ended; how. */
static int follow(Trace *trace)
{
    for (;;) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0 && errno == EINTR)
            continue;
        if (thread < 0)
            give_up("waitpid");
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread != program_pid)
                continue;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        int with = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            on_call(trace, thread);
        else if (status >> 16 == 0)
            with = WSTOPSIG(status);                            /* a signal on its way */
        (void)ptrace(PTRACE_SYSCALL, thread, NULL, (long)with); /* a dead one is waited for above */
    }
}

static void start(const Trace *trace)
{
    int gate[2];
    char byte = 0;
    if (pipe2(gate, O_CLOEXEC) != 0)
        give_up("pipe");
    pid_t child = fork();
    if (child < 0)
        give_up("fork");
    if (child == 0) {
        if (read(gate[0], &byte, 1) != 1)
            _exit(EXIT_NO_TRACING);
        (void)execv(trace->argv[0], trace->argv); /* it comes back only when it failed */
        _exit(EXIT_NO_TRACING);
    }
    program_pid = child;
    if (ptrace(PTRACE_SEIZE, child, NULL,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                   PTRACE_O_EXITKILL) != 0)
        give_up("tracing is not allowed here");
    if (write(gate[1], &byte, 1) != 1)
        give_up("write");
    (void)close(gate[0]); /* neither is used any more */
    (void)close(gate[1]);
}

/* ---- the command line ---- */

static int errno_of(const char *name)
{
    static const struct {
        const char *name;
        int code;
    } codes[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EINTR", EINTR}, {"EROFS", EROFS}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(codes[i].name, name) == 0)
            return codes[i].code;
    return 0;
}

static bool parse(Trace *trace, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(word, "--") == 0) {
            trace->argv = argv + i + 1;
            return value != NULL;
        }
        if (strcmp(word, "--disk") == 0)
            trace->disk_only = true;
        else if (strcmp(word, "--from") == 0)
            trace->from = true;
        else if (!value)
            return false;
        else if (strcmp(word, "--points") == 0)
            trace->points = fopen(argv[++i], "we");
        else if (strcmp(word, "--at") == 0)
            trace->at = strtol(argv[++i], NULL, 10);
        else if (strcmp(word, "--fail") == 0)
            trace->fail = errno_of(argv[++i]);
        else
            return false;
    }
    return false;
}

int main(int argc, char **argv)
{
    Trace trace = {0};
    if (!parse(&trace, argc, argv)) {
        fputs("usage: killer [--disk] [--points FILE] [--at N [--fail ERRNO] [--from]] -- PROGRAM "
              "...\n",
              stderr);
        return 2;
    }
    (void)signal(SIGTERM, pass_on);
    start(&trace);
    int code = follow(&trace);
    if (trace.points && fclose(trace.points) != 0)
        give_up("the list of points");
    return code;
}
