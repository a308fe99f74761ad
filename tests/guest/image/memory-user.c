/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Uses memory on command. The arguments are steps, done in order:
 *
 *   grow=SIZE[@RATE]   use SIZE more, touching RATE of it a second (else at once)
 *   free=SIZE[@RATE]   give SIZE back, the last grown first
 *   work=SIZE          from now on the working set is the first SIZE of what is
 *                      used; the rest lies idle (all of it is worked on at first)
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
 * a few pages that are always there, in millionths. Both take turns, so the pace
 * does not depend on what else the machine does.
 *
 * A quarter of each page is noise and the rest is zero, so zram compresses it to
 * roughly a quarter, like the pages of common programs.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE       ((size_t)4096)
#define NOISE      (PAGE / 4)
#define WORK_PAUSE 1000 /* ms between two passes over the working set */
#define TICK       10   /* ms; the grain of RATE */
#define REFERENCE  16   /* pages that are always there */

struct user {
    char *memory; /* address space for all that the steps will ever grow */
    size_t size;  /* bytes of it in use */
    size_t work;  /* bytes of the working set, at most size; SIZE_MAX: all */
    size_t file;  /* bytes of it, at its beginning, that are a file */
    int64_t start_ms;
    int64_t worked_ms; /* end of the last pass */
    int64_t slowest_pass_ms;
    int64_t touched_per_s; /* pages, by the latest loop, */
    int64_t pace_ppm;      /* and compared with the reference */
};

static int64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t
now_ms(void)
{
    return now_ns() / 1000000;
}

static size_t
parse_size(const char *text, char **end)
{
    size_t size = strtoull(text, end, 10);
    size_t shift = **end == 'K' ? 10 : **end == 'M' ? 20 : **end == 'G' ? 30 : 0;
    if (shift > 0)
        (*end)++;
    return (size << shift) / PAGE * PAGE;
}

static void
fill_page(char *page)
{
    static uint64_t noise = 88172645463325252u;
    uint64_t *words = (uint64_t *)page;
    for (size_t i = 0; i < NOISE / sizeof *words; i++) {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        words[i] = noise;
    }
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
        fill_page(user->memory + offset);
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

/* Returns: the nanoseconds that as many touches as a pass has take in the reference. */
static int64_t
touch_reference(size_t work)
{
    static char pages[REFERENCE * PAGE];
    int64_t begin = now_ns();
    for (size_t offset = 0; offset < work; offset += PAGE)
        (*(volatile uint64_t *)(pages + offset % sizeof pages))++;
    return now_ns() - begin;
}

/* As work(), but without a pause. */
static void
loop(struct user *user, const char *seconds)
{
    int64_t begin = now_ms(), end = begin + (int64_t)(strtod(seconds, NULL) * 1000);
    int64_t touched = 0, worked_ns = 0, reference_ns = 0;
    size_t work = work_size(user);
    while (now_ms() < end && work > 0) {
        int64_t pass = now_ns();
        for (size_t offset = 0; offset < work; offset += PAGE)
            touch(user, offset);
        pass = now_ns() - pass;
        worked_ns += pass;
        touched += work / PAGE;
        reference_ns += touch_reference(work);
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
    void *file = fd < 0 ? MAP_FAILED
                        : mmap(user->memory, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
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
    size_t size = parse_size(equals + 1, &end);
    if (strncmp(step, "map=", 4) == 0)
        return *end == '@' && user->size == 0 && map(user, size, end + 1);
    size_t rate = *end == '@' ? parse_size(end + 1, &end) : 0;
    if (*end != '\0')
        return 0;
    if (strncmp(step, "grow=", 5) == 0)
        move(user, user->size + size, rate);
    else if (strncmp(step, "free=", 5) == 0)
        move(user, size < user->size ? user->size - size : 0, rate);
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
            total += parse_size(*steps + 5, &end);
        if (strncmp(*steps, "map=", 4) == 0)
            total += parse_size(*steps + 4, &end);
    }
    return total;
}

/* The harness' shell is exempt from the OOM killer, and its children inherit
 * that; a program that uses memory must not. */
static void
join_the_mortals(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        perror("memory-user: oom_score_adj");
    if (fd >= 0)
        close(fd);
}

int
main(int argc, char **argv)
{
    struct user user = { .work = SIZE_MAX, .start_ms = now_ms(), .worked_ms = now_ms() };
    join_the_mortals();
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
