/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a fuzz target over the files of a folder, for builds without libFuzzer: what was found once
 * stays found. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <glib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) folder = argc == 2 ? g_dir_open(argv[1], 0, &error) : NULL;
    const char *name;
    guint n = 0;

    if (folder == NULL) {
        fprintf(stderr, "%s\n", error ? error->message : "usage: replay FOLDER");
        return 2;
    }
    while ((name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = g_build_filename(argv[1], name, NULL);
        g_autofree char *data = NULL;
        gsize size;
        if (!g_file_get_contents(path, &data, &size, &error)) {
            fprintf(stderr, "%s\n", error->message);
            return 1;
        }
        printf("%s\n", name);
        fflush(stdout);
        LLVMFuzzerTestOneInput((const uint8_t *)data, size);
        n++;
    }
    printf("%u inputs\n", n);
    return n > 0 ? 0 : 1;
}
