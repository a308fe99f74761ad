/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pool of 1 GiB that is full of guests: a scene with three of them, which share all of the budget
 * though none demands its part, and a watcher that sees whether they ever have more together.
 *
 * Two have virtio-mem, the third DIMMs and a balloon. All cases of a program share one pool, since
 * a boot takes longer than most cases.
 */
#pragma once

#include "tests/guest/harness/test-scene.h"
#include "tests/guest/harness/test-watch.h"

#define TEST_POOL_SIZE  (1024 * MIB)
#define TEST_POOL_FLOOR (128 * MIB)
/* [host] comes from each test. By its weight c has so much that a DIMM goes into it. */
#define TEST_POOL_CONFIG \
    "budget=1G\n[policy]\nsurplus=share\n[defaults]\nfloor=128M\n[guest \"c\"]\nweight=1.25\n"

/* More than anything here takes on an idle machine. */
#define TEST_POOL_PATIENCE (90 * G_USEC_PER_SEC)

typedef struct {
    TestScene *scene;
    TestWatch *watch;
    guint loads[TEST_SCENE_GUESTS]; /* of each guest: a number, while @loaded */
    gboolean loaded[TEST_SCENE_GUESTS];
    gboolean inside; /* a case has begun and not ended */
} TestPool;

/*
 * Boots the guests, named "a", "b" and "c", side by side, and begins to watch. Every function here
 * ends the running case if it cannot do its work.
 */
void test_pool_boot(TestPool *pool, const char *kernel);
void test_pool_teardown(TestPool *pool);

/* The first and the last lines of a case: waits until the pool is full; ends the loads, and fails
 * if the guests have ever had more than the pool. */
void test_pool_enter(TestPool *pool);
void test_pool_leave(TestPool *pool);

/* Whether all of it is lent, but for what is too little to move (the limits' dead band). */
gboolean test_pool_is_full(TestPool *pool);

TestGuest *test_pool_guest(TestPool *pool, guint i);

/* Bytes that guest @i has, as memplug lists it. */
guint64 test_pool_actual(TestPool *pool, guint i);

/* Starts a load on guest @i, and waits until its first step is done. */
void test_pool_load(TestPool *pool, guint i, const char *steps);
void test_pool_unload(TestPool *pool, guint i);

/* Bytes that guest @i's kernel calls available, and the rest; and µs for which all of its tasks
 * have stalled for memory; none of its programs may have been killed for lack of it. */
typedef struct {
    guint64 available, used;
    gint64 stalled_us;
} TestPoolReport;

TestPoolReport test_pool_report(TestPool *pool, guint i);

/* Returns: how many leases are open. @claimed: (out): bytes of the pool that they claim */
guint test_pool_leases(TestPool *pool, guint64 *claimed);
gboolean test_pool_nothing_is_held(TestPool *pool);

/* Returns: (transfer full) (nullable): the state of the lease asked for last, "gathering". */
char *test_pool_last_lease(TestPool *pool);
