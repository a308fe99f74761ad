/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * burst SIZE: uses SIZE bytes (K, M, G) as fast as it can, and tells how that went:
 *
 *   first_ms=  from its start until MemTotal was larger; -1: it never was
 *   done_ms=   from its start until all was in use; -1: it was killed
 *   some_us= full_us=   by how much the stall times of the whole guest grew
 *   oom_kills=   how many programs were killed for lack of memory meanwhile
 *   swapped=     pages that went to swap
 *
 * The program itself looks at MemTotal, after each MiB: new memory counts from when the
 * one who needs it can have it. A child does the work, so that its end can be told.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/guest/image/load.h"

#define LOOK ((size_t)1 << 20) /* between two looks at MemTotal */

/* What parent and child share. */
struct course {
    int64_t first_us;
    int64_t done_us;
};

struct stalls {
    long long some_us, full_us, oom_kills, swapped;
};

static int64_t
now_us(void)
{
    return load_now_ns() / 1000;
}

static void
read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, size - 1) : -1;
    text[length > 0 ? length : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* The number behind the first @key of @text; -1 without one. */
static long long
number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at != NULL ? strtoll(at + strlen(key), NULL, 10) : -1;
}

static struct stalls
read_stalls(void)
{
    static char text[16384];
    struct stalls stalls = { -1, -1, -1, -1 };
    read_text("/proc/pressure/memory", text, sizeof text);
    const char *full = strstr(text, "full");
    stalls.some_us = number_after(text, "total=");
    stalls.full_us = full != NULL ? number_after(full, "total=") : -1;
    read_text("/proc/vmstat", text, sizeof text);
    stalls.oom_kills = number_after(text, "oom_kill ");
    stalls.swapped = number_after(text, "pswpout ");
    return stalls;
}

static long long
mem_total(int fd)
{
    char text[64];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return number_after(text, "MemTotal:");
}

static void
use(size_t size, struct course *course)
{
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    long long before = mem_total(fd);
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        exit(1);
    int64_t start = now_us();
    for (size_t offset = 0; offset < size; offset += LOAD_PAGE) {
        load_fill_page(memory + offset);
        if (offset % LOOK == 0 && course->first_us < 0 && mem_total(fd) > before)
            course->first_us = now_us() - start;
    }
    course->done_us = now_us() - start;
}

int
main(int argc, char **argv)
{
    char *end;
    size_t size = argc == 2 ? load_parse_size(argv[1], &end) : 0;
    struct course *course =
        mmap(NULL, LOAD_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (size == 0 || course == MAP_FAILED) {
        fprintf(stderr, "usage: burst SIZE\n");
        return 2;
    }
    mlockall(MCL_CURRENT);
    *course = (struct course){ -1, -1 };
    struct stalls before = read_stalls();
    pid_t child = fork();
    if (child == 0) {
        load_join_the_mortals("burst");
        use(size, course);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    struct stalls after = read_stalls();
    printf("first_ms=%lld done_ms=%lld some_us=%lld full_us=%lld oom_kills=%lld swapped=%lld\n",
           course->first_us < 0 ? -1LL : (long long)course->first_us / 1000,
           course->done_us < 0 ? -1LL : (long long)course->done_us / 1000,
           after.some_us - before.some_us, after.full_us - before.full_us,
           after.oom_kills - before.oom_kills, after.swapped - before.swapped);
    return 0;
}
