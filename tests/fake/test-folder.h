/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A temporary folder that does not outlive its test, however that ends: a test that fails leaves
 * its own clearing up out, and one that takes too long, or aborts, is ended by a signal.
 */
#pragma once

#include <glib.h>

/*
 * test_folder_new:
 * @name: for people who find it while the test runs: "memplug-NAME-..."
 *
 * Returns: (transfer full): the folder's path. The folder and all that is in it then are removed
 *   when the test ends, at the latest; a test may remove them before.
 */
char *test_folder_new(const char *name);

/* Removes the folder and all that is in it, and frees its path, which may be NULL. */
void test_folder_free(char *path);
