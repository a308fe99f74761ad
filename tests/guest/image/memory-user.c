/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Uses memory on command. The arguments are steps, done in order:
 *
 *   grow=SIZE[@RATE]   use SIZE more, touching RATE of it a second (else at once)
 *   free=SIZE[@RATE]   give SIZE back, the last grown first
 *   work=SIZE          from now on the working set is the first SIZE of what is
 *                      used; the rest lies idle (all of it is worked on at first)
 *   out=SIZE           send the last SIZE of what is used to swap
 *   map=SIZE@PATH      use the first SIZE of a file, read only, before anything is grown
 *   loop=SECONDS       touch the working set over and over, as fast as it goes
 *   hold=SECONDS       go on working on the working set
 *   hold               until a signal ends the program
 *
 * SIZE and RATE are bytes with an optional K, M or G (RATE: a second). While it
 * grows, shrinks and holds, the program touches its whole working set about once a
 * second, as a running application does: memory that nobody touches would go to
 * swap and never be missed.
 *
 * After each step one line on standard output: step, bytes used, bytes of the
 * working set, milliseconds since the start, the longest time that one pass
 * over the working set took (which tells of swapping), how many pages a second the
 * last loop touched, and its pace: by how much faster or slower that went than touching
 * 32 MiB that are locked in memory, in millionths. Both take turns, and are too large for a
 * cache, so the pace does not depend on what else the machine does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/guest/image/load.h"

#define PAGE       LOAD_PAGE
#define WORK_PAUSE 1000 /* ms between two passes over the working set */
#define TICK       10   /* ms; the grain of RATE */
#define REFERENCE  8192 /* pages that are always there */
#define TURN       64   /* pages that are worked on before as many of the reference are */

struct user {
    char *memory;    /* address space for all that the steps will ever grow */
    size_t size;     /* bytes of it in use */
    size_t work;     /* bytes of the working set, at most size; SIZE_MAX: all */
    size_t file;     /* bytes of it, at its beginning, that are a file */
    char *reference; /* REFERENCE pages; NULL before the first loop */
    int64_t start_ms;
    int64_t worked_ms; /* end of the last pass */
    int64_t slowest_pass_ms;
    int64_t touched_per_s; /* pages, by the latest loop, */
    int64_t pace_ppm;      /* and compared with the reference */
};

static int64_t
now_ms(void)
{
    return load_now_ns() / 1000000;
}

static size_t
work_size(const struct user *user)
{
    return user->work < user->size ? user->work : user->size;
}

/* Pages of a file are read, all others written. */
static void
touch(const struct user *user, size_t offset)
{
    volatile uint64_t *word = (volatile uint64_t *)(user->memory + offset);
    uint64_t value = *word;
    if (offset >= user->file)
        *word = value + 1;
}

static void
work(struct user *user)
{
    int64_t begin = now_ms();
    if (begin - user->worked_ms < WORK_PAUSE)
        return;
    for (size_t offset = 0; offset < work_size(user); offset += PAGE)
        touch(user, offset);
    user->worked_ms = now_ms();
    if (user->worked_ms - begin > user->slowest_pass_ms)
        user->slowest_pass_ms = user->worked_ms - begin;
}

static void
resize(struct user *user, size_t target)
{
    if (target < user->size)
        madvise(user->memory + target, user->size - target, MADV_DONTNEED);
    for (size_t offset = user->size; offset < target; offset += PAGE)
        load_fill_page(user->memory + offset);
    user->size = target;
}

/* By @rate bytes a second towards @target; 0 is at once. */
static void
move(struct user *user, size_t target, size_t rate)
{
    int64_t begin = now_ms();
    size_t from = user->size;
    size_t distance = target > from ? target - from : from - target;
    size_t done = 0;
    while (done < distance) {
        size_t due = rate == 0 ? distance : (size_t)(now_ms() - begin) * rate / 1000;
        done = due < distance ? due / PAGE * PAGE : distance;
        resize(user, target > from ? from + done : from - done);
        work(user);
        if (done < distance)
            usleep(TICK * 1000);
    }
}

static void
hold(struct user *user, const char *seconds)
{
    int64_t end = seconds != NULL ? now_ms() + (int64_t)(strtod(seconds, NULL) * 1000) : INT64_MAX;
    while (now_ms() < end) {
        work(user);
        int64_t left = end - now_ms();
        usleep((left < WORK_PAUSE / 10 ? (left > 0 ? left : 0) : WORK_PAUSE / 10) * 1000);
    }
}

/* The kernel may decline, for instance what is shared. */
static int
send_out(const struct user *user, size_t size)
{
    size = size < user->size ? size : user->size;
    if (madvise(user->memory + user->size - size, size, MADV_PAGEOUT) == 0)
        return 1;
    perror("memory-user: MADV_PAGEOUT");
    return 0;
}

/* Reads all of a page, as who works on it does: what it takes to get at it at all, which an
 * emulator makes many times slower on one day than on another, counts little then. */
static void
read_page(const char *page)
{
    const volatile uint64_t *words = (const volatile uint64_t *)page;
    for (size_t i = 0; i < PAGE / sizeof *words; i++)
        (void)words[i];
}

static void
make_reference(struct user *user)
{
    user->reference = mmap(NULL, REFERENCE * PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
    if (user->reference == MAP_FAILED) {
        perror("memory-user: MAP_LOCKED");
        exit(1);
    }
}

/* Works on the pages from @begin to @end, and on as many of the reference. Returns: the
 * nanoseconds that the former took; @reference_ns is raised by those of the latter. */
static int64_t
work_and_compare(const struct user *user, size_t begin, size_t end, int64_t *reference_ns)
{
    int64_t start = load_now_ns(), between;
    for (size_t offset = begin; offset < end; offset += PAGE) {
        read_page(user->memory + offset);
        touch(user, offset);
    }
    between = load_now_ns();
    for (size_t offset = begin; offset < end; offset += PAGE) {
        char *page = user->reference + offset % (REFERENCE * PAGE);
        read_page(page);
        (*(volatile uint64_t *)page)++;
    }
    *reference_ns += load_now_ns() - between;
    return between - start;
}

/* As work(), but without a pause. */
static void
loop(struct user *user, const char *seconds)
{
    int64_t begin = now_ms(), end = begin + (int64_t)(strtod(seconds, NULL) * 1000);
    int64_t touched = 0, worked_ns = 0, reference_ns = 0;
    size_t work = work_size(user);
    if (user->reference == NULL)
        make_reference(user);
    while (now_ms() < end && work > 0) {
        int64_t pass = 0;
        for (size_t offset = 0; offset < work; offset += TURN * PAGE)
            pass += work_and_compare(user, offset,
                                     offset + TURN * PAGE < work ? offset + TURN * PAGE : work,
                                     &reference_ns);
        worked_ns += pass;
        touched += work / PAGE;
        user->worked_ms = now_ms();
        if (pass / 1000000 > user->slowest_pass_ms)
            user->slowest_pass_ms = pass / 1000000;
    }
    if (worked_ns < 1000)
        return;
    user->touched_per_s = touched * 1000 / (worked_ns / 1000000 + 1);
    user->pace_ppm = reference_ns * 1000 / (worked_ns / 1000);
}

/* Puts @size of the file before all else, where nothing is yet. */
static int
map(struct user *user, size_t size, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *file =
        fd < 0 ? MAP_FAILED : mmap(user->memory, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
    if (file == MAP_FAILED) {
        perror(path);
        return 0;
    }
    close(fd);
    user->file = user->size = size;
    return 1;
}

static int
do_step(struct user *user, const char *step)
{
    const char *equals = strchr(step, '=');
    char *end = NULL;
    if (strncmp(step, "hold", 4) == 0 && (step[4] == '=' || step[4] == '\0')) {
        hold(user, equals != NULL ? equals + 1 : NULL);
        return 1;
    }
    if (equals == NULL)
        return 0;
    if (strncmp(step, "loop=", 5) == 0) {
        loop(user, equals + 1);
        return 1;
    }
    size_t size = load_parse_size(equals + 1, &end);
    if (strncmp(step, "map=", 4) == 0)
        return *end == '@' && user->size == 0 && map(user, size, end + 1);
    size_t rate = *end == '@' ? load_parse_size(end + 1, &end) : 0;
    if (*end != '\0')
        return 0;
    if (strncmp(step, "grow=", 5) == 0)
        move(user, user->size + size, rate);
    else if (strncmp(step, "free=", 5) == 0)
        move(user, size < user->size ? user->size - size : 0, rate);
    else if (strncmp(step, "out=", 4) == 0)
        return send_out(user, size);
    else if (strncmp(step, "work=", 5) == 0)
        user->work = size;
    else
        return 0;
    return 1;
}

static size_t
total_growth(char **steps)
{
    size_t total = PAGE;
    char *end;
    for (; *steps != NULL; steps++) {
        if (strncmp(*steps, "grow=", 5) == 0)
            total += load_parse_size(*steps + 5, &end);
        if (strncmp(*steps, "map=", 4) == 0)
            total += load_parse_size(*steps + 4, &end);
    }
    return total;
}

int
main(int argc, char **argv)
{
    struct user user = { .work = SIZE_MAX, .start_ms = now_ms(), .worked_ms = now_ms() };
    load_join_the_mortals("memory-user");
    setvbuf(stdout, NULL, _IOLBF, 0);
    user.memory = mmap(NULL, total_growth(argv + 1), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (argc < 2 || user.memory == MAP_FAILED) {
        fprintf(stderr, "usage: memory-user STEP...\n");
        return 2;
    }
    for (char **step = argv + 1; *step != NULL; step++) {
        if (!do_step(&user, *step)) {
            fprintf(stderr, "memory-user: bad step: %s\n", *step);
            return 2;
        }
        printf("step=%s used=%zu work=%zu ms=%lld slowest_pass_ms=%lld touched_per_s=%lld "
               "pace_ppm=%lld\n",
               *step, user.size, work_size(&user), (long long)(now_ms() - user.start_ms),
               (long long)user.slowest_pass_ms, (long long)user.touched_per_s,
               (long long)user.pace_ppm);
    }
    return 0;
}
