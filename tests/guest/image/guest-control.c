/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PID 1 of the test guest: serves the harness on a serial port.
 *
 * One request at a time, one answer each; lengths are decimal counts of bytes:
 *
 *   harness:  run ID LENGTH\n     then LENGTH bytes of shell script
 *             read ID LENGTH\n    then LENGTH bytes of a path
 *             report ID 0\n       (memory-report.h)
 *   guest:    ready RELEASE\n     once, before the first request
 *             done ID STATUS LENGTH\n   then LENGTH bytes
 *
 * STATUS is the shell's exit status (128 + signal if one killed it), or 0 or an
 * errno for `read`. The bytes are the script's output and errors in the order in which they
 * came; what a background process writes after the script's end is not waited
 * for. Output beyond the buffer is read and dropped.
 *
 * It is made to answer while the guest starves. Its memory is locked and static,
 * it is PID 1, which the OOM killer spares, and `read` and `report` start no
 * process. A serial port is used since its driver allocates nothing to send, and
 * recycles small buffers to receive, where virtio-serial allocates for each write.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/guest/image/memory-report.h"

extern char **environ;

static char request_body[64 * 1024];
static char answer_body[512 * 1024];
static int port = -1;

__attribute__((noreturn)) static void
die(const char *what)
{
    /* The kernel panics when PID 1 ends, and the harness shows the console. */
    fprintf(stderr, "guest-control: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
write_all(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = write(port, bytes, length);
        if (count < 0 && errno != EINTR)
            die("write to the harness");
        if (count > 0) {
            bytes += count;
            length -= count;
        }
    }
}

static void
read_all(char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = read(port, bytes, length);
        if (count < 0 && errno != EINTR)
            die("read from the harness");
        if (count > 0) {
            bytes += count;
            length -= count;
        }
    }
}

static void
read_line(char *line, size_t size)
{
    size_t length = 0;
    for (char byte = 0; byte != '\n';) {
        read_all(&byte, 1);
        if (length < size - 1)
            line[length++] = byte;
    }
    line[length] = '\0';
}

static void
answer(unsigned id, int status, size_t length)
{
    char line[64];
    write_all(line, snprintf(line, sizeof line, "done %u %d %zu\n", id, status, length));
    write_all(answer_body, length);
}

/* Reads what is there; FALSE at the end. */
static int
drain(int fd, size_t *length)
{
    char dropped[4096];
    size_t left = sizeof answer_body - *length;
    ssize_t count =
        left > 0 ? read(fd, answer_body + *length, left) : read(fd, dropped, sizeof dropped);
    if (count > 0 && left > 0)
        *length += count;
    return count > 0;
}

/* Collects a child's status, and any orphan on the way. */
static int
reap(pid_t child, int *status)
{
    pid_t pid;
    while ((pid = waitpid(-1, status, WNOHANG)) > 0) {
        if (pid == child)
            return 1;
    }
    return 0;
}

static pid_t
spawn_shell(const char *script, int output)
{
    char *const arguments[] = { "sh", "-c", (char *)script, NULL };
    posix_spawn_file_actions_t actions;
    pid_t child;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    /* Shares the parent's memory until exec, so locked memory is not copied. */
    int failure = posix_spawn(&child, "/bin/sh", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    errno = failure;
    return failure == 0 ? child : -1;
}

static void
run(unsigned id, const char *script)
{
    int ends[2];
    size_t length = 0;
    int status = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        die("pipe");
    pid_t child = spawn_shell(script, ends[1]);
    if (child < 0) {
        length = snprintf(answer_body, sizeof answer_body, "sh: %s\n", strerror(errno));
        status = 126 << 8;
    }
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while (child > 0 && !reap(child, &status)) {
        /* The pipe may end before the shell, or stay open after it. */
        struct pollfd output = { ends[0], POLLIN, 0 };
        poll(&output, 1, 20);
        if ((output.revents & POLLIN) != 0)
            drain(ends[0], &length);
        else if ((output.revents & POLLHUP) != 0)
            usleep(1000);
    }
    while (drain(ends[0], &length))
        ;
    close(ends[0]);
    answer(id, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), length);
}

static void
read_file(unsigned id, const char *path)
{
    size_t length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int failure = fd < 0 ? errno : 0;
    while (fd >= 0 && drain(fd, &length))
        ;
    if (fd >= 0)
        close(fd);
    answer(id, failure, length);
}

static void
report(unsigned id)
{
    size_t length = memory_report_write(answer_body, sizeof answer_body);
    answer(id, length > 0 ? 0 : ENOSPC, length);
}

static void
serve(void)
{
    char line[64], verb[16];
    unsigned id;
    size_t length;
    int orphan;
    read_line(line, sizeof line);
    if (sscanf(line, "%15s %u %zu", verb, &id, &length) != 3 || length >= sizeof request_body) {
        fprintf(stderr, "guest-control: ignored: %s", line);
        return;
    }
    read_all(request_body, length);
    request_body[length] = '\0';
    reap(-1, &orphan);
    if (strcmp(verb, "run") == 0)
        run(id, request_body);
    else if (strcmp(verb, "read") == 0)
        read_file(id, request_body);
    else
        report(id);
}

static void
open_port(const char *path)
{
    struct termios settings;
    port = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (port < 0 || tcgetattr(port, &settings) < 0)
        die(path);
    cfmakeraw(&settings);
    cfsetspeed(&settings, B115200);
    settings.c_cc[VMIN] = 1;
    if (tcsetattr(port, TCSAFLUSH, &settings) < 0)
        die(path);
}

int
main(int argc, char **argv)
{
    struct utsname system;
    char line[128];
    if (argc != 2 || mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
        die("usage: guest-control PORT");
    open_port(argv[1]);
    uname(&system);
    write_all(line, snprintf(line, sizeof line, "ready %s\n", system.release));
    for (;;)
        serve();
}
