/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as the lines of a journal: what can be read of them can be planned again and summed
 * up, whatever it says; what cannot is refused. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "journal/journal-replay.h"
#include "journal/journal-report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_guests(const JournalDecoder *decoder)
{
    for (guint i = 0; i < decoder->guests->len; i++) {
        const JournalGuest *guest = decoder->guests->pdata[i];

        g_assert_true(guest->name && guest->predictor_name && guest->plan.predictor);
        g_assert_true(journal_decoder_find(decoder, guest->name) != NULL);
        g_assert_cmpuint(guest->ring.count, <=, SAMPLE_RING_SIZE);
        if (guest->decided)
            g_assert_cmpuint(guest->decision.forecast.n_parts, <=, FORECAST_PARTS_MAX);
    }
}

static void
check_accounts(const JournalReport *report)
{
    for (guint i = 0; i < report->accounts->len; i++) {
        const JournalAccount *account = report->accounts->pdata[i];

        g_assert_true(account->known_us >= 0 && account->forecast_us >= 0);
        g_assert_cmpint(account->forecast_us, <=, account->known_us);
        g_assert_cmpint(account->short_us, <=, account->forecast_us);
        g_assert_true(account->actual >= 0 && account->lacked >= 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    g_autoptr(JournalReplay) replay = journal_replay_new();
    g_autoptr(JournalReport) report = journal_report_new(0, G_MAXINT64);
    const char *line = (const char *)data, *end = line + size;

    while (line < end) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        const char *over = feed ? feed : end;
        g_autoptr(GError) error = NULL;
        JournalLineKind kind = JOURNAL_LINE_UNKNOWN;
        gboolean read = journal_decoder_feed(decoder, line, over - line, &kind, &error);

        g_assert_true(read == (error == NULL));
        if (!read)
            break;
        check_guests(decoder);
        journal_report_line(report, decoder, kind);
        if (kind == JOURNAL_LINE_CYCLE)
            journal_replay_cycle(replay, decoder);
        line = over + 1;
    }
    g_assert_cmpuint(replay->alike, <=, replay->decisions);
    check_accounts(report);
    return 0;
}
