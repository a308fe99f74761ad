/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lets polkit ask for a password at the terminal that memplug runs at, for as long as
 * the agent lives: polkit's own program for it, pkttyagent, does so. It is the fallback
 * of the user's session: a desktop's own agent is asked first.
 */
#pragma once

#include <glib.h>

typedef struct _PasswordAgent PasswordAgent;

/*
 * password_agent_start:
 *
 * For the calls of this process on the system bus.
 *
 * Returns: (transfer full) (nullable): once polkit knows of it; NULL if there is no
 *   terminal, no such program, or no need, since root is asked for nothing.
 */
PasswordAgent *password_agent_start(void);

/* NULL is allowed. */
void password_agent_stop(PasswordAgent *agent);
