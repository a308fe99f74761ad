/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/guest/image/load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NOISE (LOAD_PAGE / 4)

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
void
load_fill_page(char *page)
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

int64_t
load_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
load_join_the_mortals(const char *name)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        fprintf(stderr, "%s: oom_score_adj cannot be written\n", name);
    if (fd >= 0)
        close(fd);
}

size_t
load_parse_size(const char *text, char **end)
{
    size_t size = strtoull(text, end, 10);
    size_t shift = **end == 'K' ? 10 : **end == 'M' ? 20 : **end == 'G' ? 30 : 0;
    if (shift > 0)
        (*end)++;
    return (size << shift) / LOAD_PAGE * LOAD_PAGE;
}
