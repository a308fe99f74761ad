/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/speed.h"

#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

#define SIZE       (4 << 20)
#define ROUNDS     4
#define TO_SPARE   (16 * SIZE)
#define DEFAULT_PS (UINT64_C(1) << 30)

static uint64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t
speed_measure(uint64_t available)
{
    uint64_t fastest = UINT64_MAX;

    if (available < TO_SPARE)
        return DEFAULT_PS;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t begin = now_ns();
        void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        uint64_t took = now_ns() - begin;

        if (memory == MAP_FAILED)
            return DEFAULT_PS;
        munmap(memory, SIZE);
        if (took > 0 && took < fastest)
            fastest = took;
    }
    return fastest == UINT64_MAX ? DEFAULT_PS : SIZE * UINT64_C(1000000000) / fastest;
}
