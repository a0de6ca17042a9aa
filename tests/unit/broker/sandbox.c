#include "sandbox.h"

#include "errors.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(sandbox, .timeout = 120);

/* A sandbox is for ever: each is tried in a child, which says by its exit code how it went. */
#define CHILD_GOOD 0
#define CHILD_EXPECT(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so in the sandbox: %s (errno: %s)\n", __FILE__, __LINE__,  \
                    #condition, g_strerror(errno));                                                \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static long version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static void need_landlock(void)
{
    if (version() <= 0)
        cr_skip("this kernel has no Landlock");
}

/* ---- a place inside, and one outside ---- */

typedef struct {
    char *root, *inside, *outside;
    char *old_inside, *old_outside; /* a file that is there already */
} Place;

static void put(const char *path)
{
    cr_assert(g_file_set_contents(path, "old", -1, NULL));
}

static Place place_new(void)
{
    Place place = {.root = g_dir_make_tmp("postkey-test-XXXXXX", NULL)};
    place.inside = g_build_filename(place.root, "inside", NULL);
    place.outside = g_build_filename(place.root, "outside", NULL);
    place.old_inside = g_build_filename(place.inside, "old", NULL);
    place.old_outside = g_build_filename(place.outside, "old", NULL);
    cr_assert_eq(g_mkdir(place.inside, 0700) | g_mkdir(place.outside, 0700), 0);
    put(place.old_inside);
    put(place.old_outside);
    return place;
}

static void remove_all(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        cr_assert_eq(g_remove(path), 0);
    }
    cr_assert_eq(g_rmdir(folder), 0);
}

static void place_free(Place *place)
{
    remove_all(place->inside);
    remove_all(place->outside);
    cr_assert_eq(g_rmdir(place->root), 0);
    g_free(place->old_inside);
    g_free(place->old_outside);
    g_free(place->inside);
    g_free(place->outside);
    g_free(place->root);
}

/* ---- in the child ---- */

static void confine(const Place *place, SandboxRights rights)
{
    g_autofree char *nowhere = g_build_filename(place->root, "nowhere", NULL);
    const SandboxPlace places[] = {{.path = nowhere, .rights = SANDBOX_WRITE},
                                   {.path = place->inside, .rights = rights}};
    g_autoptr(GError) error = NULL;
    gboolean confined;
    CHILD_EXPECT(sandbox_confine(places, G_N_ELEMENTS(places), &confined, &error) && confined);
}

static void in_child(void (*act)(const Place *place))
{
    Place place = place_new();
    pid_t child = fork();
    int status = -1;
    if (child == 0) {
        act(&place);
        _exit(CHILD_GOOD);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_GOOD);
    place_free(&place);
}

static char *in(const char *folder, const char *name)
{
    return g_build_filename(folder, name, NULL); /* the child ends soon */
}

/* 0 or the errno. */
static int write_to(const char *path, int flags)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        return errno;
    gboolean good = write(fd, "new", 3) == 3;
    close(fd);
    return good ? 0 : EIO;
}

static int outcome(int rc)
{
    return rc == 0 ? 0 : errno;
}

/* ---- writing ---- */

static void write_inside(const Place *place)
{
    confine(place, SANDBOX_WRITE | SANDBOX_FOLDERS);
    CHILD_EXPECT(write_to(in(place->inside, "new"), O_CREAT | O_EXCL) == 0);
    CHILD_EXPECT(write_to(place->old_inside, O_TRUNC) == 0);
    CHILD_EXPECT(rename(in(place->inside, "new"), place->old_inside) == 0);
    CHILD_EXPECT(mkdir(in(place->inside, "folder"), 0700) == 0);
    CHILD_EXPECT(write_to(in(place->inside, "folder/new"), O_CREAT) == 0);
    CHILD_EXPECT(unlink(in(place->inside, "folder/new")) == 0);
}

Test(sandbox, inside_files_and_folders_are_made_replaced_and_removed)
{
    need_landlock();
    in_child(write_inside);
}

static int bind_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = outcome(bind(fd, (const struct sockaddr *)&address, sizeof address));
    close(fd);
    return result;
}

static void write_outside(const Place *place)
{
    confine(place, SANDBOX_WRITE | SANDBOX_FOLDERS);
    const char *new_file = in(place->outside, "new");
    CHILD_EXPECT(write_to(new_file, O_CREAT) == EACCES);
    CHILD_EXPECT(write_to(place->old_outside, 0) == EACCES);
    CHILD_EXPECT(outcome(unlink(place->old_outside)) == EACCES);
    CHILD_EXPECT(outcome(rename(place->old_outside, new_file)) == EACCES);
    CHILD_EXPECT(outcome(mkdir(new_file, 0700)) == EACCES);
    CHILD_EXPECT(outcome(symlink("old", new_file)) == EACCES);
    CHILD_EXPECT(outcome(mkfifo(new_file, 0600)) == EACCES);
    CHILD_EXPECT(bind_at(new_file) == EACCES);
    /* By a detour. */
    CHILD_EXPECT(rename(place->old_inside, new_file) != 0);
    CHILD_EXPECT(rename(place->old_outside, place->old_inside) != 0);
    CHILD_EXPECT(link(place->old_outside, in(place->inside, "link")) != 0);
    CHILD_EXPECT(outcome(symlink(place->old_outside, in(place->inside, "link"))) == EACCES);
    CHILD_EXPECT(write_to(in(place->inside, "../outside/old"), 0) == EACCES);
    if (version() >= 3)
        CHILD_EXPECT(outcome(truncate(place->old_outside, 0)) == EACCES);
}

Test(sandbox, outside_nothing_can_be_changed)
{
    need_landlock();
    in_child(write_outside);
}

static void only_remove(const Place *place)
{
    confine(place, SANDBOX_REMOVE);
    CHILD_EXPECT(write_to(place->old_inside, 0) == EACCES);
    CHILD_EXPECT(write_to(in(place->inside, "new"), O_CREAT) == EACCES);
    CHILD_EXPECT(unlink(place->old_inside) == 0);
}

Test(sandbox, where_files_may_be_removed_none_is_made)
{
    need_landlock();
    in_child(only_remove);
}

static void read_outside(const Place *place)
{
    int open_before = open(place->old_outside, O_WRONLY | O_CLOEXEC);
    confine(place, SANDBOX_WRITE);
    g_autofree char *text = NULL;
    CHILD_EXPECT(g_file_get_contents(place->old_outside, &text, NULL, NULL));
    CHILD_EXPECT(write(open_before, "new", 3) == 3);
}

Test(sandbox, reading_and_what_is_open_already_stay_as_they_were)
{
    need_landlock();
    in_child(read_outside);
}

/* ---- programs, threads, processes ---- */

static int run_program(const char *path)
{
    char *const argv[] = {(char *)path, NULL};
    execv(path, argv);
    return errno;
}

static void run_programs(const Place *place)
{
    const char *own = in(place->inside, "program");
    confine(place, SANDBOX_WRITE);
    CHILD_EXPECT(run_program("/bin/true") == EACCES);
    CHILD_EXPECT(write_to(own, O_CREAT) == 0 && chmod(own, 0700) == 0);
    CHILD_EXPECT(run_program(own) == EACCES);
}

Test(sandbox, no_program_is_run_not_even_one_of_its_own)
{
    need_landlock();
    in_child(run_programs);
}

static gpointer write_in_thread(gpointer path)
{
    return GINT_TO_POINTER(write_to(path, O_CREAT));
}

static void start_thread_and_process(const Place *place)
{
    char *new_file = in(place->outside, "new");
    confine(place, SANDBOX_WRITE);
    GThread *thread = g_thread_new("later", write_in_thread, new_file);
    CHILD_EXPECT(GPOINTER_TO_INT(g_thread_join(thread)) == EACCES);
    pid_t child = fork();
    int status = -1;
    if (child == 0)
        _exit(write_to(new_file, O_CREAT) == EACCES ? CHILD_GOOD : 1);
    CHILD_EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

Test(sandbox, it_holds_for_threads_and_processes_that_come_later)
{
    need_landlock();
    in_child(start_thread_and_process);
}

/* As notify_helper.h needs it. */
static void fork_before(const Place *place)
{
    int go[2];
    char byte;
    CHILD_EXPECT(pipe(go) == 0);
    pid_t child = fork();
    if (child == 0) {
        gboolean told = read(go[0], &byte, 1) == 1;
        _exit(told && write_to(in(place->outside, "new"), O_CREAT) == 0 ? CHILD_GOOD : 1);
    }
    confine(place, SANDBOX_WRITE);
    int status = -1;
    CHILD_EXPECT(write(go[1], "x", 1) == 1);
    CHILD_EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

Test(sandbox, a_process_that_was_forked_before_is_free)
{
    need_landlock();
    in_child(fork_before);
}

/* To open a process's memory is to attach to it, as the kernel sees it. */
static void open_memory(const Place *place)
{
    pid_t stranger = fork();
    if (stranger == 0) {
        (void)pause();
        _exit(0);
    }
    g_autofree char *memory = g_strdup_printf("/proc/%d/mem", (int)stranger);
    int before = open(memory, O_RDONLY | O_CLOEXEC);
    confine(place, SANDBOX_WRITE);
    int after = open(memory, O_RDONLY | O_CLOEXEC);
    CHILD_EXPECT(kill(stranger, SIGKILL) == 0 && waitpid(stranger, NULL, 0) == stranger);
    CHILD_EXPECT(before >= 0 && after < 0);
}

Test(sandbox, it_cannot_attach_to_processes_outside)
{
    need_landlock();
    in_child(open_memory);
}

static gpointer wait_for_ever(gpointer fd)
{
    char byte;
    return GINT_TO_POINTER((int)read(GPOINTER_TO_INT(fd), &byte, 1));
}

static void confine_with_thread(const Place *place)
{
    const SandboxPlace inside = {.path = place->inside, .rights = SANDBOX_WRITE};
    g_autoptr(GError) error = NULL;
    gboolean confined = TRUE;
    int never[2];
    CHILD_EXPECT(pipe(never) == 0);
    GThread *thread = g_thread_new("before", wait_for_ever, GINT_TO_POINTER(never[0]));
    CHILD_EXPECT(!sandbox_confine(&inside, 1, &confined, &error) && !confined);
    CHILD_EXPECT(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_IO) && error_meaning(error));
    close(never[1]);
    g_thread_join(thread);
}

Test(sandbox, a_thread_that_would_stay_outside_is_an_error)
{
    need_landlock();
    in_child(confine_with_thread);
}

/* ---- without Landlock ---- */

/* A kernel that knows no Landlock: ENOSYS; one where it is switched off: EOPNOTSUPP. */
static void take_landlock_away(int code)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (guint)code),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = G_N_ELEMENTS(filter), .filter = filter};
    CHILD_EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHILD_EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    CHILD_EXPECT(version() == -1);
}

static void go_on_without(const Place *place, int code)
{
    const SandboxPlace inside = {.path = place->inside, .rights = SANDBOX_WRITE};
    g_autoptr(GError) error = NULL;
    gboolean confined = TRUE;
    take_landlock_away(code);
    CHILD_EXPECT(sandbox_confine(&inside, 1, &confined, &error) && !confined && !error);
    CHILD_EXPECT(write_to(place->old_outside, 0) == 0);
    CHILD_EXPECT(sandbox_check(place->old_outside, &error) && !error);
}

static void never_heard_of(const Place *place)
{
    go_on_without(place, ENOSYS);
}

static void switched_off(const Place *place)
{
    go_on_without(place, EOPNOTSUPP);
}

Test(sandbox, a_kernel_without_landlock_is_no_error)
{
    in_child(never_heard_of);
    in_child(switched_off);
}

static void try_privileges(const Place *place)
{
    const SandboxPlace inside = {.path = place->inside, .rights = SANDBOX_WRITE};
    gboolean confined;
    CHILD_EXPECT(sandbox_confine(&inside, 1, &confined, NULL));
    CHILD_EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

Test(sandbox, new_privileges_are_given_up_with_or_without_it)
{
    in_child(try_privileges);
}

/* ---- what it says ---- */

static void ask_for_paths(const Place *place)
{
    g_autoptr(GError) error = NULL;
    const char *below = in(place->inside, "folder");
    CHILD_EXPECT(mkdir(below, 0700) == 0);
    CHILD_EXPECT(sandbox_check(place->old_outside, NULL)); /* nothing is confined yet */
    confine(place, SANDBOX_WRITE | SANDBOX_FOLDERS);
    CHILD_EXPECT(sandbox_check(in(place->inside, "new"), &error) && !error);
    CHILD_EXPECT(sandbox_check(in(below, "new"), &error) && !error);
    CHILD_EXPECT(sandbox_check(in(place->root, "nowhere/new"), &error) && !error);
    CHILD_EXPECT(!sandbox_check(in(place->inside, "../outside/new"), &error));
    CHILD_EXPECT(g_error_matches(error, POSTKEY_ERROR, POSTKEY_ERROR_CONFIGURATION));
    CHILD_EXPECT(strstr(error->message, place->root) && error_meaning(error));
    CHILD_EXPECT(strstr(error_remedy(error), "restart"));
    CHILD_EXPECT(!sandbox_check("/postkey-test", NULL) && !sandbox_check("/etc/postkey", NULL));
}

Test(sandbox, it_says_which_paths_are_out_of_reach_and_what_to_do)
{
    need_landlock();
    in_child(ask_for_paths);
}
