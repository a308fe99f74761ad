/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real QEMU guest, booted from an image of build-image, with all the ways a test
 * has to it: its shell, its own view of its memory, and a monitor as witness.
 *
 * Two monitors: FOLDER/NAME.qmp, which QEMU serves for memplugd (or a person), and
 * the witness', which QEMU connects to the test and which nobody else can reach.
 *
 * Everything blocks, and everything fails with a GError. Free the guest before its
 * room.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "tests/guest/harness/test-room.h"
#include "tests/guest/harness/witness.h"

/* What a guest is made of. Zero or NULL is the default in parentheses. */
typedef struct {
    const char *name;           /* of the socket, NAME.qmp ("guest") */
    const char *kernel;         /* line: "6.1", "6.12" ("6.1") */
    const char *machine;        /* "q35", "pc" ("q35") */
    guint64 memory;             /* boot memory, bytes (256 MiB) */
    guint64 max_memory;         /* QEMU's maxmem, bytes (4 GiB) */
    guint slots;                /* for DIMMs (8) */
    guint64 virtio_mem;         /* largest size of a virtio-mem device, bytes (no device) */
    guint64 virtio_mem_at_boot; /* what is requested of it before the boot, bytes (0) */
    gboolean no_balloon;        /* without virtio-balloon (with) */
    gboolean free_page_reporting;
    gboolean loads;            /* an image with real programs (memcached, tcc); with the rule */
    gboolean stats_port;       /* with the port of the agent, NAME.stats (without) */
    gboolean no_udev_rule;     /* an image without memplug's rule (with) */
    gboolean reboots;          /* a reset starts the guest anew (it ends QEMU) */
    const char *append;        /* more of the kernel's command line */
    const char *const *extra;  /* more arguments for QEMU, NULL-terminated */
    const char *const *before; /* a program that runs QEMU, and its arguments, NULL-terminated */
} TestGuestOptions;

/* Id of the virtio-mem device, below /machine/peripheral. */
#define TEST_GUEST_VIRTIO_MEM_ID   "vm0"
#define TEST_GUEST_VIRTIO_MEM_PATH "/machine/peripheral/" TEST_GUEST_VIRTIO_MEM_ID
#define TEST_GUEST_BALLOON_PATH    "/machine/peripheral/balloon0"

typedef struct TestGuest TestGuest;

/*
 * test_guest_unavailable:
 *
 * Builds the image of @kernel unless it is in the cache.
 *
 * Returns: (transfer full): why guests of that kernel line cannot run on this
 *   machine (no QEMU; packages that cannot be had), or NULL if they can. A builder
 *   that fails otherwise is no such reason; test_guest_start() will tell.
 */
char *test_guest_unavailable(const char *kernel);

/*
 * test_guest_start:
 * @folder: where NAME.qmp is to be; exists
 * @options: copied as far as needed
 *
 * Starts QEMU and connects the witness; does not wait for the guest's boot, so
 * several can boot at once.
 */
TestGuest *test_guest_start(TestRoom *room, const char *folder, const TestGuestOptions *options,
                            GError **error);

/* Waits for the end of the boot, for two minutes at most: TCG is slow, and nested TCG more so. */
gboolean test_guest_wait_ready(TestGuest *guest, GError **error);

/* test_guest_start() and test_guest_wait_ready() in one. */
TestGuest *test_guest_boot(TestRoom *room, const char *folder, const TestGuestOptions *options,
                           GError **error);

/*
 * test_guest_adopt:
 * @console: the file of the kernel's messages
 * @control: QEMU's connection to its second serial port
 *
 * Takes a guest whose QEMU is another's, libvirt's say. It has no witness, no monitor
 * and no process; all that the guest itself can be asked works. Still to do is
 * test_guest_wait_ready().
 */
TestGuest *test_guest_adopt(const char *name, const char *console, GSocketConnection *control);

/* Goes on with an adopted guest in another QEMU, to which it has been migrated. */
void test_guest_reconnect(TestGuest *guest, GSocketConnection *control);

/* Asks QEMU to quit, and kills it if it does not within a few seconds. */
void test_guest_quit(TestGuest *guest);

/* Kills QEMU if it runs still, and frees. */
void test_guest_free(TestGuest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestGuest, test_guest_free)

const char *test_guest_name(TestGuest *guest);
const char *test_guest_release(TestGuest *guest);  /* of its kernel, once ready */
const char *test_guest_monitor(TestGuest *guest);  /* path of NAME.qmp */
Witness *test_guest_witness(TestGuest *guest);     /* the guest's own; do not free */
char *test_guest_console(TestGuest *guest);        /* (transfer full): the kernel's messages */
GSubprocess *test_guest_process(TestGuest *guest); /* QEMU; the guest's own */

/*
 * test_guest_run:
 * @output: (out) (transfer full) (optional): what the script wrote to both streams
 *
 * Runs a shell script as root in the guest and waits for its end.
 *
 * Returns: FALSE with @error set if its exit status is not 0 (the output is in the
 *   message), or if no answer came within a minute.
 */
gboolean test_guest_run(TestGuest *guest, const char *script, char **output, GError **error);

/* The text of a file in the guest, without starting a process there; (transfer full). */
char *test_guest_read(TestGuest *guest, const char *path, GError **error);

/* One field of /proc/meminfo ("MemTotal"), in bytes. */
gboolean test_guest_meminfo(TestGuest *guest, const char *field, guint64 *bytes, GError **error);

/* (transfer full): the guest's memory as tests/guest/image/memory-report.h tells it. */
JsonObject *test_guest_report(TestGuest *guest, GError **error);

/* Bytes of a zone ("Movable") in a report; 0 if it is not there. */
guint64 test_guest_report_zone(JsonObject *report, const char *zone);

/*
 * test_guest_wait_total:
 *
 * Waits until MemTotal is @bytes, give or take @tolerance.
 *
 * Returns: FALSE with @error set (and the last value in it) after @timeout_us.
 */
gboolean test_guest_wait_total(TestGuest *guest, guint64 bytes, guint64 tolerance,
                               gint64 timeout_us, GError **error);

/*
 * test_guest_agent_start:
 * @arguments: of memplug-guest: "--no-forecast"; "" for none
 *
 * Starts the agent, which is in every image, as its unit would. The guest needs a stats port.
 */
gboolean test_guest_agent_start(TestGuest *guest, const char *arguments, GError **error);

/* Ends whatever has the stats port, and waits for its end. */
gboolean test_guest_agent_stop(TestGuest *guest, GError **error);

/* Swap of @bytes on zram, as a small cloud guest has it. */
gboolean test_guest_swap_on(TestGuest *guest, guint64 bytes, GError **error);

/* What test_guest_make_file() makes. */
#define TEST_GUEST_FILE "/run/disk/file"

/* A file of @bytes, none of which is in the page cache, on a disk that is zram: it takes next
 * to no memory. A file, since the page cache of a block device is no movable memory (Linux,
 * block/bdev.c: GFP_USER), and does not fit in a small guest, however much it was given. After
 * test_guest_swap_on(), once. */
gboolean test_guest_make_file(TestGuest *guest, guint64 bytes, GError **error);

/*
 * test_guest_load_start:
 * @steps: of memory-user: "grow=100M@50M hold" (tests/guest/image/memory-user.c)
 * @load: (out): a number for the functions below
 *
 * Starts a program in the guest that uses memory, and returns at once.
 */
gboolean test_guest_load_start(TestGuest *guest, const char *steps, guint *load, GError **error);

/* Whether it runs still, and what it has written. Neither starts a process in the guest. */
gboolean test_guest_load_running(TestGuest *guest, guint load, gboolean *running, GError **error);
char *test_guest_load_output(TestGuest *guest, guint load, GError **error);

/* Ends it, if it runs still, and waits for its end. */
gboolean test_guest_load_stop(TestGuest *guest, guint load, GError **error);
