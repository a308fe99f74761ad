/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sends all messages to the journal, with their fields, if standard error is
 * the journal's; else to standard error, a line each with the wall clock.
 * Debug messages are left out unless G_MESSAGES_DEBUG says otherwise.
 */
void log_start(void);
