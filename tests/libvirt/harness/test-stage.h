/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A scene on libvirt: the test's own libvirtd, domains on it, and one memplugd that is
 * connected to it. All cases of a program share one stage, since a boot takes longer
 * than most cases.
 *
 * Every function ends the running cmocka case if it cannot do its work. A case begins
 * with test_stage_enter() and ends with test_stage_leave(); if one of them did not get
 * there, memplugd's log is printed when the stage is taken down. test-scene.h tells the
 * rest, and is used for all that concerns memplug alone.
 */
#pragma once

#include "tests/guest/harness/test-scene.h"
#include "tests/libvirt/harness/test-domain.h"

/* Domains that are waited for, and ended, together. */
#define TEST_STAGE_DOMAINS 4

/* For a guest to come to its size, also if something has to be tried again. */
#define TEST_STAGE_PATIENCE (60 * G_USEC_PER_SEC)

/* A domain of the stage. */
typedef struct {
    TestDomain *domain;
    TestGuest *guest;  /* the domain's; NULL without a kernel */
    const char *name;  /* the domain's */
    guint64 actual;    /* what libvirt said it had when it had booted */
    guint64 total;     /* its MemTotal then */
    gboolean restored; /* from a file: see test_stage_agree() */
} TestStageDomain;

typedef struct {
    TestScene *scene; /* the room and memplugd */
    TestLibvirtd *libvirtd;
    TestStageDomain domains[TEST_STAGE_DOMAINS];
    gboolean inside; /* a case has begun and not ended */
    gboolean failed; /* an earlier one did not end */
} TestStage;

/*
 * test_stage_main:
 * @kernel: (nullable): the line that the cases need; NULL: the default one
 * @setup: of the group; calls test_stage_setup() first
 *
 * Runs @tests in the test's own namespace. The first thing main() does.
 *
 * Returns: the exit status of the program: 77 if it cannot run here.
 */
#define test_stage_main(name, kernel, tests, setup)                             \
    (test_stage_can_run(kernel)                                                 \
         ? cmocka_run_group_tests_name(name, tests, setup, test_stage_teardown) \
         : 77)
gboolean test_stage_can_run(const char *kernel);

/* The stage with libvirtd; no domain and no memplugd yet. Takes it down again. */
int test_stage_setup(void **state);
int test_stage_teardown(void **state);

/* The first and the last line of a case. */
TestStage *test_stage_enter(void **state);
void test_stage_leave(TestStage *stage);

/*
 * test_stage_boot:
 * @options: of @n domains
 *
 * Starts them together and waits until all have booted. They are the stage's next.
 */
void test_stage_boot(TestStage *stage, const TestDomainOptions *options, guint n);

/* Notes what a domain has that has been started again. */
void test_stage_note_boot(TestStageDomain *domain);

/* Starts memplugd and waits until it knows what every domain of the stage has. */
void test_stage_start_daemon(TestStage *stage, const char *config);
void test_stage_restart_daemon(TestStage *stage);

/* Returns: (transfer none): the domain called @name. */
TestStageDomain *test_stage_find(TestStage *stage, const char *name);

/* Whether memplug's info of @name has @value for the text, or flag, @member. */
gboolean test_stage_says(TestStage *stage, const char *name, const char *member, const char *value);
gboolean test_stage_flag(TestStage *stage, const char *name, const char *member);

/* Whether @name is settled, and requested and actual are this. */
gboolean test_stage_has(TestStage *stage, const char *name, guint64 actual);

/* Whether all of libvirt's figures of a domain say that it has @actual. */
gboolean test_stage_libvirt_has(TestStageDomain *domain, guint64 actual);

/*
 * test_stage_agree:
 *
 * Waits until memplug, all of libvirt's figures and the guest say that the domain has
 * @actual and is settled there; fails the case if they do not. libvirt hears of a size
 * by QEMU's events, of which there is one a second at most, so it may be late. Prints a
 * row.
 *
 * Of a domain that was restored, <currentMemory> and domstats' balloon.current are not
 * asked: libvirt (seen in 9.0) adds what virtio-mem grows by to a sum that it has read
 * from the saved XML, where that may not be in, and comes below zero at last.
 */
void test_stage_agree(TestStage *stage, TestStageDomain *domain, guint64 actual);

/* Fails the case if libvirt calls the domain tampered with. */
void test_stage_untainted(TestStageDomain *domain);
