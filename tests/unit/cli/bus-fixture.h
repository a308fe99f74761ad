/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bus of its own for a test program, and for each test a fake daemon on it
 * with one guest, "web"; what memplug does there is run as a process.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/bus-daemon.h"
#include "tests/unit/cli/memplug-run.h"

typedef struct {
    const char *address; /* of the bus */
    BusDaemon *daemon;
    BusGuest *web;
} BusFixture;

extern BusFixture bus_fixture;

/* Around each test. */
int bus_fixture_set_up(void **state);
int bus_fixture_tear_down(void **state);
#define BUS_FIXTURE_TEST(f) \
    cmocka_unit_test_setup_teardown(f, bus_fixture_set_up, bus_fixture_tear_down)

/* Around all: what main() returns; 77 if there is no dbus-daemon. */
int bus_fixture_start_bus(void **state);
int bus_fixture_stop_bus(void **state);
gboolean bus_fixture_is_possible(void);
#define BUS_FIXTURE_RUN(tests)                                                        \
    (bus_fixture_is_possible()                                                        \
         ? cmocka_run_group_tests(tests, bus_fixture_start_bus, bus_fixture_stop_bus) \
         : 77)

/* Starts the daemon anew, with its one guest. */
void bus_fixture_restart_daemon(void);

/* Runs memplug with the words of @line: it succeeds, prints @expected among the
 * rest, and no error. */
void bus_fixture_assert_runs(const char *line, const char *expected);

/* It ends with @status and prints @expected as an error, in plain words. */
void bus_fixture_assert_fails(const char *line, int status, const char *expected);

/* Returns: (transfer full): what it prints, which is JSON; it ends with @status. */
JsonNode *bus_fixture_run_json(const char *line, int status);
