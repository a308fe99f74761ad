/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/proc-lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* One of a kind, as the agent is: it has one thread, and reads one file at a time. */
static char buffer[4096 + 1];

/* Hands over the whole lines that begin at @text. Returns: where the rest begins,
 * NULL if that was enough. */
static char *
hand_over(char *text, ProcLine each, void *into)
{
    char *end;

    while ((end = strchr(text, '\n'))) {
        *end = '\0';
        if (!each(into, text))
            return NULL;
        text = end + 1;
    }
    return text;
}

static ssize_t
read_some(int fd, size_t held)
{
    ssize_t n;

    do
        n = read(fd, buffer + held, sizeof(buffer) - 1 - held);
    while (n < 0 && errno == EINTR);
    return n;
}

bool
proc_lines_read(int fd, ProcLine each, void *into)
{
    bool cut = false; /* the rest of a line that was handed over already */
    bool any = false;
    size_t held = 0;
    ssize_t n;

    if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return false;
    while ((n = read_some(fd, held)) > 0) {
        char *rest = buffer;

        any = true;
        held += (size_t)n;
        buffer[held] = '\0';
        if (cut) {
            char *end = memchr(buffer, '\n', held);

            rest = end ? end + 1 : buffer + held;
            cut = !end;
        }
        rest = hand_over(rest, each, into);
        if (!rest)
            return true;
        held = strlen(rest);
        memmove(buffer, rest, held + 1);
        if (held == sizeof(buffer) - 1) {
            if (!each(into, buffer))
                return true;
            cut = true;
            held = 0;
        }
    }
    if (held > 0)
        each(into, buffer);
    return any;
}

bool
proc_lines_number(const char *text, uint64_t *number)
{
    uint64_t value = 0;

    text += strspn(text, " \t");
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');

        if (value > (UINT64_MAX - 1 - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

bool
proc_lines_first(int at, const char *path, char *text, size_t room)
{
    int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    text[0] = '\0';
    if (fd < 0)
        return false;
    do
        n = read(fd, text, room - 1);
    while (n < 0 && errno == EINTR);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return text[0] != '\0';
}
