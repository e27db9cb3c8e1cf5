/* A wall clock that is wrong by as many seconds as a file says (8 bytes, signed), from that moment on.
 *
 * Preloaded (LD_PRELOAD) with WRONG_CLOCK naming the file. The monotonic clock stays true, as it
 * does where a real clock is set. libfaketime cannot do that: Python's sleep fails below it when the
 * clock is put back (clock_nanosleep, 0.9.10).
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *wrong;

__attribute__((constructor)) static void look(void) {
    const char *path = getenv("WRONG_CLOCK");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file < 0) return;
    void *seen = mmap(0, sizeof *wrong, PROT_READ, MAP_SHARED, file, 0);
    if (seen != MAP_FAILED) wrong = seen;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && wrong && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += *wrong;
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
