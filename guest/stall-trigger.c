/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/stall-trigger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* µs of waiting, and the window; the kernel wants the terminator too. */
static const char *const triggers[] = { "some 50000 500000", "some 200000 2000000" };

/* Elsewhere the write would only spoil a file. */
static int
open_pressure(const char *root)
{
    char path[PATH_MAX];
    struct statfs where;
    int fd;

    if (snprintf(path, sizeof(path), "%s/proc/pressure/memory", root) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && (fstatfs(fd, &where) < 0 || where.f_type != PROC_SUPER_MAGIC)) {
        close(fd);
        errno = ENOTSUP;
        return -1;
    }
    return fd;
}

int
stall_trigger_open(const char *root)
{
    int error = ENOTSUP;

    /* Opened anew each time: a kernel takes one trigger from a descriptor. */
    for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]); i++) {
        int fd = open_pressure(root);

        if (fd < 0)
            return -1;
        if (write(fd, triggers[i], strlen(triggers[i]) + 1) > 0)
            return fd;
        error = errno;
        close(fd);
    }
    errno = error;
    return -1;
}
