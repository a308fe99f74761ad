/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain on the test's libvirtd: defined from a few options, driven by virsh, and
 * what libvirt says of its memory, as a witness that memplugd knows nothing of.
 *
 * A domain that boots a kernel has the harness' control channel at its second serial
 * port, so that all of test-guest.h that asks the guest itself works on it.
 *
 * Free it before its libvirtd.
 */
#pragma once

#include "tests/guest/harness/test-guest.h"
#include "tests/libvirt/harness/test-libvirtd.h"

/* What a domain is made of. Zero or NULL is the default in parentheses. */
typedef struct {
    const char *name;       /* ("domain") */
    const char *kernel;     /* line: "6.1", "6.12" ("6.1") */
    gboolean no_kernel;     /* nothing to boot, no control channel: it costs next to nothing */
    guint64 memory;         /* boot memory, bytes (256 MiB) */
    guint64 current;        /* <currentMemory>, bytes (all of it) */
    guint64 max_memory;     /* <maxMemory>, bytes (4 GiB) */
    guint slots;            /* for DIMMs (8) */
    gboolean no_max_memory; /* neither <maxMemory> nor NUMA */
    guint cells;            /* NUMA nodes that share the boot memory (1) */
    guint64 virtio_mem;     /* size of a virtio-mem device on node 0, bytes (no device) */
    guint64 virtio_mem_requested; /* of it at the start, bytes (0) */
    gboolean no_balloon;          /* <memballoon model='none'/> (virtio, statistics each second) */
    guint root_ports;             /* PCIe root ports beyond those its devices need (0) */
    guint64 hard_limit;           /* <memtune>'s, bytes (none) */
    const char *metadata;         /* XML inside <metadata> */
    const char *devices;          /* more XML inside <devices> */
} TestDomainOptions;

/*
 * What libvirt says of a domain's memory; bytes. Three sources that need not agree:
 * the live XML, the statistics of all domains, and those of one.
 */
typedef struct {
    guint64 memory;     /* <memory>: boot memory and all devices, virtio-mem at its largest */
    guint64 current;    /* <currentMemory> */
    guint64 max_memory; /* <maxMemory>; 0 without */
    guint64 dimms;      /* sum of the DIMMs' sizes */
    guint n_dimms;
    guint n_ours;                 /* devices with an alias of memplug's */
    guint64 virtio_mem_requested; /* of all virtio-mem devices */
    guint64 virtio_mem_current;   /* the same */
    guint64 stats_current;        /* domstats: balloon.current */
    guint64 stats_maximum;        /* domstats: balloon.maximum */
    guint64 dommemstat_actual;    /* dommemstat: actual */
} TestDomainMemory;

typedef struct TestDomain TestDomain;

/* Returns: (transfer full): the XML of @options, for virsh define. */
char *test_domain_xml(const TestDomainOptions *options, const char *image, const char *console,
                      const char *control);

/* Defines the domain; it does not run yet. */
TestDomain *test_domain_define(TestLibvirtd *libvirtd, const TestDomainOptions *options,
                               GError **error);

/*
 * test_domain_start:
 * @paused: its processors wait for virsh resume
 *
 * virsh start; does not wait for the guest's boot, so several can boot at once. Also
 * for a domain that was shut off: it is another guest then.
 */
gboolean test_domain_start(TestDomain *domain, gboolean paused, GError **error);

/* Waits for the end of the boot, for two minutes at most. */
gboolean test_domain_wait_ready(TestDomain *domain, GError **error);

/* test_domain_define(), test_domain_start() and test_domain_wait_ready() in one. */
TestDomain *test_domain_boot(TestLibvirtd *libvirtd, const TestDomainOptions *options,
                             GError **error);

/* virsh save to a file of the room; the domain is shut off then. */
gboolean test_domain_save(TestDomain *domain, GError **error);

/* virsh restore of it; the guest goes on where it was. */
gboolean test_domain_restore(TestDomain *domain, GError **error);

/*
 * test_domain_migrate:
 * @target: the domain is its from now on
 *
 * virsh migrate --live; the guest goes on where it was.
 */
gboolean test_domain_migrate(TestDomain *domain, TestLibvirtd *target, GError **error);

void test_domain_free(TestDomain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestDomain, test_domain_free)

const char *test_domain_name(TestDomain *domain);
TestGuest *test_domain_guest(TestDomain *domain); /* nullable; the domain's own */
GPid test_domain_pid(TestDomain *domain);         /* of its QEMU; 0 if it does not run */

/*
 * test_domain_virsh:
 * @verb: virsh's command, whose first argument is the domain
 * @...: its other arguments, NULL-terminated
 */
gboolean test_domain_virsh(TestDomain *domain, char **output, GError **error, const char *verb,
                           ...) G_GNUC_NULL_TERMINATED;

/*
 * test_domain_with_file:
 * @verb: a command that takes a file of XML: "attach-device"
 *
 * virsh VERB DOMAIN FILE --live, with @xml in the file.
 */
gboolean test_domain_with_file(TestDomain *domain, const char *verb, const char *xml,
                               GError **error);

/* virsh attach-device of a DIMM on @node; @alias may be NULL. */
gboolean test_domain_attach_dimm(TestDomain *domain, guint64 size, guint node, const char *alias,
                                 GError **error);

/* Which of a domain's two definitions is meant. */
typedef enum {
    TEST_DOMAIN_LIVE,   /* of the running domain */
    TEST_DOMAIN_CONFIG, /* what it starts from the next time: virsh dumpxml --inactive */
} TestDomainScope;

/*
 * test_domain_xpath:
 * @expression: of XPath 1.0, on what "virsh dumpxml" prints
 *
 * Returns: (transfer full): its string value; NULL with @error set.
 */
char *test_domain_xpath(TestDomain *domain, TestDomainScope scope, const char *expression,
                        GError **error);

/* Asks libvirt for all figures, one after the other. */
gboolean test_domain_memory(TestDomain *domain, TestDomainMemory *memory, GError **error);

/* Whether libvirt has marked the domain's run as tampered with behind its back. */
gboolean test_domain_is_tainted(TestDomain *domain);
