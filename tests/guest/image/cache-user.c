/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that uses a memcached as a web application does: cache-user SOCKET ITEMS HOT SECONDS
 *
 * It asks for items by chance, nine times of ten for one of the first HOT of ITEMS; what is
 * not there it makes and stores, which takes WORK_US as a query to a database would. Values are
 * 32 KiB, a quarter of each noise, as in memory-user. At the end one line: how many
 * requests were answered, how many of them from the cache, and how many seconds it took.
 *
 * The protocol is memcached's text protocol (doc/protocol.txt of its sources): "get KEY",
 * "set KEY FLAGS EXPTIME BYTES".
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define VALUE   32768
#define WORK_US 500

static uint64_t state = 88172645463325252u;

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
static uint64_t
next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static double
now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
die(const char *what)
{
    fprintf(stderr, "cache-user: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);

        if (n <= 0)
            die("write");
        bytes += n;
        length -= (size_t)n;
    }
}

/* Reads up to and with @end. Returns: how many bytes. */
static size_t
read_until(int fd, char *buffer, size_t room, const char *end)
{
    size_t length = 0, tail = strlen(end);

    while (length < tail || memcmp(buffer + length - tail, end, tail) != 0) {
        ssize_t n = read(fd, buffer + length, room - length);

        if (n <= 0)
            die("read");
        length += (size_t)n;
    }
    return length;
}

static void
store(int fd, uint64_t key)
{
    static char value[VALUE + 2];
    char line[64];
    int length = snprintf(line, sizeof line, "set %llu 0 0 %d\r\n", (unsigned long long)key, VALUE);

    for (size_t i = 0; i < VALUE / 4; i += 8) {
        uint64_t noise = next_random();

        memcpy(value + i, &noise, 8);
    }
    memcpy(value + VALUE, "\r\n", 2);
    usleep(WORK_US);
    write_all(fd, line, (size_t)length);
    write_all(fd, value, sizeof value);
    read_until(fd, line, sizeof line, "\r\n");
}

/* Returns: whether it was in the cache. */
static int
get(int fd, uint64_t key)
{
    static char answer[VALUE + 256];
    char line[64];
    int length = snprintf(line, sizeof line, "get %llu\r\n", (unsigned long long)key);

    write_all(fd, line, (size_t)length);
    return read_until(fd, answer, sizeof answer, "END\r\n") > 5;
}

int
main(int argc, char **argv)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    unsigned long long items, hot, requests = 0, hits = 0;
    double begin = now_s(), seconds;

    if (argc != 5)
        return 2;
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    items = strtoull(argv[2], NULL, 10);
    hot = strtoull(argv[3], NULL, 10);
    seconds = strtod(argv[4], NULL);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die(argv[1]);
    while (now_s() - begin < seconds) {
        uint64_t key = next_random() % 10 < 9 ? next_random() % hot : next_random() % items;

        requests++;
        if (get(fd, key))
            hits++;
        else
            store(fd, key);
    }
    printf("%llu %llu %.1f\n", requests, hits, now_s() - begin);
    return 0;
}
