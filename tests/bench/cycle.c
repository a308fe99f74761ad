/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one cycle costs: statistics taken in, predicted, allocated and applied
 * for 10 to 10,000 guests that exist only in memory, a tenth of which changes its
 * use every second. Resizing itself is left out: the guests take their orders
 * between the cycles, which is not counted.
 *
 * Prints CPU time for each guest and cycle, and each row's ratio to the first.
 * n log n would be a ratio of log n / log 10.
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "daemon/cycle.h"
#include "tests/fake/fake-hypervisor.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

#define CYCLES 12

static double
cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void
on_collected(GObject *source, GAsyncResult *result, gpointer data)
{
    *(gboolean *)data = hypervisor_collect_finish(MEMPLUG_HYPERVISOR(source), result, NULL);
}

/* Returns: CPU microseconds of one cycle, the mean of all but the first two. */
static double
measure(guint n_guests)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    g_autoptr(Config) config = config_load("/nonexistent/memplug.conf", FALSE, NULL);
    g_autoptr(IntentStore) intents = intent_store_new_volatile();
    FakeHypervisor *hypervisor = fake_hypervisor_new();
    Roster *roster = roster_new(MEMPLUG_HYPERVISOR(hypervisor), config, intents, FALSE);
    Cycle *cycle;
    double spent = 0;

    config->budget = n_guests * 600 * MIB; /* scarce, so that the policy has work */
    cycle = cycle_new(MEMPLUG_HYPERVISOR(hypervisor), roster, config, config->budget);
    for (guint i = 0; i < n_guests; i++) {
        g_autofree char *name = g_strdup_printf("guest%u", i);
        FakeGuest *guest = fake_guest_new(name, 512 * MIB, 512 * MIB, 0, TRUE);

        fake_guest_add_virtio_mem(guest, 4096 * MIB);
        fake_hypervisor_add(hypervisor, guest, 300 * MIB);
    }
    settle();

    for (guint i = 0; i < CYCLES; i++) {
        gboolean collected = FALSE;
        double begin = cpu_us();

        hypervisor_collect_async(MEMPLUG_HYPERVISOR(hypervisor), 100, NULL, on_collected,
                                 &collected);
        while (!collected)
            g_main_context_iteration(NULL, TRUE);
        cycle_run(cycle, g_get_monotonic_time());
        if (i >= 2)
            spent += cpu_us() - begin;
        settle();
        for (guint n = 0; n < MAX(n_guests / 10, 1); n++)
            fake_hypervisor_use(hypervisor, (guint)g_rand_int_range(random, 0, (gint32)n_guests),
                                (guint64)g_rand_int_range(random, 100, 500) * MIB);
    }

    cycle_free(cycle);
    g_object_unref(roster);
    settle();
    g_object_unref(hypervisor);
    return spent / (CYCLES - 2);
}

static GLogWriterOutput
write_nothing(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    return G_LOG_WRITER_HANDLED;
}

int
main(void)
{
    static const guint sizes[] = { 10, 100, 1000, 10000 };
    double first = 0;

    g_log_set_writer_func(write_nothing, NULL, NULL);
    printf("%8s %12s %14s %8s %10s\n", "guests", "cycle [ms]", "guest [us]", "ratio", "n log n");
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        double us = measure(sizes[i]) / sizes[i];

        first = i == 0 ? us : first;
        printf("%8u %12.3f %14.3f %8.2f %10.2f\n", sizes[i], us * sizes[i] / 1000, us, us / first,
               log10(sizes[i]));
    }
    return 0;
}
