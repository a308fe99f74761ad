/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memplug-guest: options, privileges, and the loop.
 *
 * The wait is ppoll() and no timerfd: the kernel lets a poll's timeout be late by the
 * task's timer slack, so that it wakes together with something else, but not a timerfd.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "build-config.h"
#include "guest/agent.h"
#include "guest/speed.h"
#include "guest/stall-trigger.h"

#define DEFAULT_PORT   "/dev/virtio-ports/org.memplug.stats.0"
#define SLACK_MOST_US  100000
#define SECOND_US      1000000
#define PERIOD_MOST_MS 60000

typedef struct {
    const char *port;
    const char *root;
    unsigned long period_ms;
    bool no_forecast;
    bool no_stall;
} Arguments;

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
    stopped = 1;
}

static void
print_usage(FILE *to)
{
    fputs("Usage: memplug-guest [OPTION]...\n"
          "Tells the host how this guest's memory is, and asks for more before it is gone.\n\n"
          "  --port=PATH    virtio serial port, or UNIX socket\n"
          "                 (" DEFAULT_PORT ")\n"
          "  --period=MS    from one sample to the next, until the host says otherwise (1000)\n"
          "  --no-forecast  do not look ahead: ask only when tasks wait already\n"
          "  --no-stall     do not ask when tasks wait\n"
          "  --root=DIR     read DIR/proc and DIR/sys\n"
          "  --version\n"
          "  --help\n",
          to);
}

/* Returns: -1 to go on, or the status to exit with. */
static int
parse_arguments(int argc, char **argv, Arguments *arguments)
{
    static const struct option options[] = {
        { "port", required_argument, NULL, 'p' },   { "root", required_argument, NULL, 'r' },
        { "period", required_argument, NULL, 't' }, { "version", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },         { "no-forecast", no_argument, NULL, 'F' },
        { "no-stall", no_argument, NULL, 'S' },     { 0 },
    };
    int option;
    char *end;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 'p') {
            arguments->port = optarg;
        } else if (option == 'r') {
            arguments->root = optarg;
        } else if (option == 't') {
            arguments->period_ms = strtoul(optarg, &end, 10);
            if (*end || arguments->period_ms == 0 || arguments->period_ms > PERIOD_MOST_MS) {
                fprintf(stderr, "memplug-guest: --period=%s: 1 to %d is possible\n", optarg,
                        PERIOD_MOST_MS);
                return 2;
            }
        } else if (option == 'F') {
            arguments->no_forecast = true;
        } else if (option == 'S') {
            arguments->no_stall = true;
        } else if (option == 'v') {
            puts("memplug-guest " MEMPLUG_VERSION);
            return 0;
        } else {
            print_usage(option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    if (optind < argc) {
        print_usage(stderr);
        return 2;
    }
    return -1;
}

static int64_t
now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000;
}

/* The unit gives CAP_SYS_RESOURCE for the trigger. Nothing needs any after that. */
static void
drop_capabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) < 0)
        fprintf(stderr, "memplug-guest: capabilities are kept: %s\n", strerror(errno));
}

/* So that it still speaks when the guest thrashes. */
static void
lock_memory(void)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
        fprintf(stderr, "memplug-guest: may be swapped out: %s\n", strerror(errno));
}

static uint64_t
measure_speed(const char *root)
{
    uint64_t available = 0;
    Collector collector;
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_SAMPLE);
    if (collector_open(&collector, root) && collector_look(&collector, &frame.sample))
        available = collect_available(&frame.sample);
    collector_close(&collector);
    return speed_measure(available);
}

/* Stop signals come during the wait only. */
static void
catch_signals(sigset_t *waiting)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigset_t stops;

    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, waiting);
    sigdelset(waiting, SIGTERM);
    sigdelset(waiting, SIGINT);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* A wait of at most a second ago's kind has its slack already. */
static void
set_slack(int64_t slack_us)
{
    static int64_t set_us = -1;

    if (slack_us > SLACK_MOST_US)
        slack_us = SLACK_MOST_US;
    if (slack_us / 2 <= set_us && set_us <= slack_us)
        return;
    set_us = slack_us;
    prctl(PR_SET_TIMERSLACK, (unsigned long)(slack_us > 0 ? slack_us * 1000 : 1), 0, 0, 0);
}

static void
wait_for(struct pollfd *polls, int64_t until, const sigset_t *mask)
{
    int64_t now = now_us();
    int64_t left = until > now ? until - now : 0;
    struct timespec timeout = { left / SECOND_US, left % SECOND_US * 1000 };

    set_slack(agent_slack_us(now, until));
    if (ppoll(polls, AGENT_POLL_COUNT, &timeout, mask) < 0) {
        for (int i = 0; i < AGENT_POLL_COUNT; i++)
            polls[i].revents = 0;
    }
}

/* What is wrong with the port is said once, and that it is there. */
static void
log_channel(const Agent *agent)
{
    static uint64_t opened;
    static int error;

    if (agent->channel.opened != opened) {
        opened = agent->channel.opened;
        if (opened == 1 || error != 0)
            fprintf(stderr, "memplug-guest: %s: the host is there\n", agent->options.port);
        error = 0;
    } else if (agent->channel.error != 0 && agent->channel.error != error) {
        error = agent->channel.error;
        fprintf(stderr, "memplug-guest: %s: %s; trying on\n", agent->options.port, strerror(error));
    }
}

int
main(int argc, char **argv)
{
    static Agent agent;
    Arguments arguments = { .port = DEFAULT_PORT, .root = "", .period_ms = 1000 };
    int status = parse_arguments(argc, argv, &arguments);
    sigset_t waiting;

    if (status >= 0)
        return status;
    AgentOptions options = {
        .port = arguments.port,
        .root = arguments.root,
        .period_us = arguments.period_ms * 1000,
        .fastest = measure_speed(arguments.root),
        .no_forecast = arguments.no_forecast,
        .stall_fd = arguments.no_stall ? -1 : stall_trigger_open(arguments.root),
        .description = "memplug-guest " MEMPLUG_VERSION,
    };
    drop_capabilities();
    catch_signals(&waiting);
    if (!agent_start(&agent, &options)) {
        fprintf(stderr, "memplug-guest: %s/proc/meminfo: %s\n", arguments.root, strerror(errno));
        return 1;
    }
    lock_memory();
    while (!stopped) {
        struct pollfd polls[AGENT_POLL_COUNT];
        int64_t until = agent_poll(&agent, polls);

        wait_for(polls, until, &waiting);
        agent_run(&agent, polls, now_us());
        log_channel(&agent);
    }
    agent_stop(&agent);
    return 0;
}
