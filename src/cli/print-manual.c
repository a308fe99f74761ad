/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * print-manual PAGE: prints the page's source with the commands in it. It is run
 * when memplug is built, and not installed.
 */
#include <stdio.h>

#include "cli/command-manual.h"

int
main(int argc, char **argv)
{
    g_autofree char *source = NULL;
    g_autofree char *page = NULL;
    g_autoptr(GError) error = NULL;

    if (argc != 2) {
        fputs("Usage: print-manual PAGE\n", stderr);
        return 2;
    }
    if (!g_file_get_contents(argv[1], &source, NULL, &error) ||
        !(page = command_manual_page(source, &error))) {
        fprintf(stderr, "print-manual: %s: %s\n", argv[1], error->message);
        return 1;
    }
    fputs(page, stdout);
    return 0;
}
