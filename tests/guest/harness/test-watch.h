/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A watcher of what guests have together: a thread of its own that reads each QEMU's own word by
 * QMP, and what its process has of the host's memory, over and over, and asks memplug nothing.
 */
#pragma once

#include "tests/guest/harness/test-guest.h"

typedef struct TestWatch TestWatch;

typedef struct {
    guint looks;
    guint64 most;          /* bytes that they had together at a time */
    guint64 most_resident; /* bytes that their QEMUs had of the host's memory */
} TestWatched;

/* Begins to watch; nobody yet. */
TestWatch *test_watch_new(void);

/* Ends it, and frees. */
void test_watch_free(TestWatch *watch);

/* @guest (transfer none) is watched until it is removed; its witness is the watcher's meanwhile. */
void test_watch_add(TestWatch *watch, TestGuest *guest);
void test_watch_remove(TestWatch *watch, TestGuest *guest);

/*
 * test_watch_add_monitor:
 * @path: of a monitor that QEMU will serve there, for the watcher alone
 * @process: (transfer none): that is, or will become, that QEMU
 *
 * Watches a QEMU that may or may not come: from the moment in which it serves its monitor until it
 * ends, or is removed.
 */
void test_watch_add_monitor(TestWatch *watch, const char *path, GSubprocess *process);
void test_watch_remove_monitor(TestWatch *watch, GSubprocess *process);

/* What was seen since the last call. @what: (out). Returns: FALSE with @error set if a guest
 *   could not be asked, or if nobody was looked at. */
gboolean test_watch_take(TestWatch *watch, TestWatched *what, GError **error);

/* Returns: bytes that all QEMUs have of the host's memory now. */
guint64 test_watch_resident(TestWatch *watch);
