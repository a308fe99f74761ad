/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the journal takes: bytes for each guest and day, compressed as on disk and
 * not, for guests in which nothing happens, for such that work now and then, and for such that
 * never rest, all with an agent that tells of them once a second; what a week of a hundred of them
 * comes to; and the time that writing takes for each guest and cycle.
 */
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/unit/journal/herd.h"

#define GUESTS   100
#define SECONDS  1200
#define CYCLES   (SECONDS * 4)
#define DAY      86400.0
#define GIB      ((double)(1 << 30))
#define FLUSH_AT (1 << 20)

typedef struct {
    double plain, compressed; /* bytes for each guest and day */
    double ns;                /* for each guest and cycle */
} Cost;

static double
cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static gsize
write_out(GOutputStream *gzip, GString *text)
{
    gsize length = text->len;

    g_assert(g_output_stream_write_all(gzip, text->str, length, NULL, NULL, NULL));
    g_string_truncate(text, 0);
    return length;
}

static Cost
measure(HerdKind kind)
{
    g_autofree Herd *herd = herd_new(kind, GUESTS, 1);
    g_autoptr(JournalEncoder) encoder = journal_encoder_new(NULL);
    g_autoptr(GOutputStream) packed = g_memory_output_stream_new_resizable();
    g_autoptr(GConverter) converter =
        G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9));
    g_autoptr(GOutputStream) gzip = g_converter_output_stream_new(packed, converter);
    g_autoptr(GString) text = g_string_new(NULL);
    JournalHeader header = herd_header(herd);
    double guest_days = GUESTS * SECONDS / DAY;
    double spent = 0;
    gsize plain = 0;
    Cost cost;

    journal_encoder_begin(encoder, &header, text);
    for (guint cycle = 0; cycle < CYCLES; cycle++) {
        double begin;

        herd_begin_cycle(herd);
        begin = cpu_ns();
        journal_encoder_inputs(encoder, herd->subjects, herd->n, herd->now);
        journal_encoder_settings(encoder, &herd->settings);
        spent += cpu_ns() - begin;
        herd_plan(herd);
        begin = cpu_ns();
        journal_encoder_outcome(encoder, herd->subjects, herd->n, text);
        spent += cpu_ns() - begin;
        if (text->len > FLUSH_AT)
            plain += write_out(gzip, text);
    }
    plain += write_out(gzip, text);
    g_assert(g_output_stream_close(gzip, NULL, NULL));
    cost = (Cost){
        .plain = (double)plain / guest_days,
        .compressed = (double)g_memory_output_stream_get_data_size(G_MEMORY_OUTPUT_STREAM(packed)) /
                      guest_days,
        .ns = spent / CYCLES / GUESTS,
    };
    return cost;
}

int
main(void)
{
    static const struct {
        HerdKind kind;
        const char *name;
    } kinds[] = { { HERD_IDLE, "idle" }, { HERD_ORDINARY, "ordinary" }, { HERD_BUSY, "busy" } };

    printf("%-9s%18s%18s%26s%18s\n", "guests", "KiB/guest-day", "compressed",
           "GiB/week of 100 guests", "ns/guest-cycle");
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        Cost cost = measure(kinds[i].kind);

        printf("%-9s%18.0f%18.0f%26.2f%18.0f\n", kinds[i].name, cost.plain / 1024,
               cost.compressed / 1024, cost.compressed * 7 * GUESTS / GIB, cost.ns);
    }
    return 0;
}
