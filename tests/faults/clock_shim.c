/* A machine that sleeps, and a clock that somebody sets, for one process: LD_PRELOAD.
 *
 * POSTKEY_CLOCKS names a file of two numbers (struct Offsets), which this process sees change at
 * once: what CLOCK_BOOTTIME and CLOCK_REALTIME show beyond what the kernel's clocks do.
 * CLOCK_MONOTONIC stays, as it does during suspend. SIGURG says that the numbers were changed:
 * timers on the boot clock are set anew, so that those whose moment has passed ring, as the kernel
 * does at wake-up.
 *
 * Only what postkey's programs use is bent: clock_gettime(), gettimeofday(), time(), and timerfds
 * with absolute times on CLOCK_BOOTTIME. Where a real time namespace will do, the tests use that:
 * it cannot jump while a process runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC INT64_C(1000000000)
#define TIMERS_MAX 64

struct Offsets {
    int64_t boottime_ns, realtime_ns;
};

static const struct Offsets nothing;
static const volatile struct Offsets *offsets = &nothing;

/* The boot clock's timerfds by descriptor, and their moments as the process gave them. */
static struct {
    int is_boottime;
    struct itimerspec spec;
} timers[TIMERS_MAX];

static int64_t offset_of(clockid_t clock)
{
    if (clock == CLOCK_BOOTTIME)
        return offsets->boottime_ns;
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? offsets->realtime_ns : 0;
}

static struct timespec moved(struct timespec moment, int64_t by_ns)
{
    int64_t ns = moment.tv_sec * NSEC_PER_SEC + moment.tv_nsec + by_ns;
    ns = ns > 0 ? ns : 1; /* zero would stop a timer */
    return (struct timespec){.tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC};
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    int64_t offset_ns = offset_of(clock);
    if (result == 0 && offset_ns != 0)
        *now = moved(*now, offset_ns);
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone; /* obsolete, and nobody asks */
    struct timespec precise;
    int result = clock_gettime(CLOCK_REALTIME, &precise);
    *now = (struct timeval){.tv_sec = precise.tv_sec, .tv_usec = precise.tv_nsec / 1000};
    return result;
}

time_t time(time_t *now)
{
    struct timespec precise = {0};
    (void)clock_gettime(CLOCK_REALTIME, &precise); /* this clock is always there */
    if (now)
        *now = precise.tv_sec;
    return precise.tv_sec;
}

int timerfd_create(int clock, int flags)
{
    int fd = (int)syscall(SYS_timerfd_create, clock, flags);
    if (fd >= TIMERS_MAX)
        abort(); /* a test that needs more says so here */
    if (fd >= 0)
        timers[fd].is_boottime = clock == CLOCK_BOOTTIME;
    return fd;
}

static int set(int fd, int flags, struct itimerspec spec, struct itimerspec *before)
{
    if (spec.it_value.tv_sec != 0 || spec.it_value.tv_nsec != 0)
        spec.it_value = moved(spec.it_value, -offsets->boottime_ns);
    return (int)syscall(SYS_timerfd_settime, fd, flags, &spec, before);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *spec, struct itimerspec *before)
{
    if (fd >= TIMERS_MAX || !timers[fd].is_boottime || !(flags & TFD_TIMER_ABSTIME))
        return (int)syscall(SYS_timerfd_settime, fd, flags, spec, before);
    timers[fd].spec = *spec;
    return set(fd, flags, *spec, before);
}

static void on_jump(int signal_number)
{
    (void)signal_number;
    int kept = errno;
    for (int fd = 0; fd < TIMERS_MAX; fd++)
        if (timers[fd].is_boottime)
            (void)set(fd, TFD_TIMER_ABSTIME, timers[fd].spec, NULL); /* one that is closed */
    errno = kept;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("POSTKEY_CLOCKS");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *shared = fd >= 0 ? mmap(NULL, sizeof *offsets, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (shared == MAP_FAILED)
        abort(); /* clocks that cannot be moved would let every test pass */
    (void)close(fd);
    offsets = shared;
    struct sigaction action = {.sa_handler = on_jump, .sa_flags = SA_RESTART};
    if (sigaction(SIGURG, &action, NULL) != 0)
        abort();
}
