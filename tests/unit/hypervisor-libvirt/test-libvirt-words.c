/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt says: its errors, and QEMU's report of a DIMM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hypervisor/libvirt/libvirt-error.h"
#include "hypervisor/libvirt/libvirt-ost.h"

static void
assert_words(const char *message, const char *expected)
{
    g_autofree char *words = libvirt_error_clear_words(message);

    assert_string_equal(words, expected);
}

static void
test_messages_lose_what_says_nothing(void **state)
{
    assert_words("internal error: unable to execute QEMU command 'device_add': a used bus",
                 "a used bus");
    assert_words("operation failed: device is gone", "device is gone");
    assert_words("Requested operation is not valid: domain is not running",
                 "domain is not running");
    assert_words("Timed out during operation: cannot acquire state change lock",
                 "Timed out during operation: cannot acquire state change lock");
    assert_words("unable to execute QEMU command 'x", "unable to execute QEMU command 'x");
    assert_words("", "");
}

/* Has libvirt itself fail in this thread. */
static void
provoke(void)
{
    libvirt_error_silence();
    assert_null(virConnectOpenReadOnly("qemu+unix:///system?socket=/nowhere/sock"));
}

static void
test_the_last_error_is_taken(void **state)
{
    g_autoptr(GError) error = NULL;

    provoke();
    assert_false(libvirt_error_take("cannot connect", &error));
    assert_int_equal(error->domain, G_IO_ERROR);
    assert_true(g_str_has_prefix(error->message, "cannot connect: "));
    assert_non_null(g_strrstr(error->message, "/nowhere/sock"));
    assert_false(libvirt_error_is_denial());
}

static void
test_an_error_that_is_none_is_told_of_too(void **state)
{
    g_autoptr(GError) error = NULL;

    virResetLastError();
    assert_false(libvirt_error_take("cannot", &error));
    assert_string_equal(error->message, "cannot: libvirt does not say why");
    assert_false(libvirt_error_is_denial());
}

static void
test_a_report_about_a_dimm_is_read(void **state)
{
    g_auto(LibvirtOst) ost = { NULL };

    assert_true(libvirt_ost_read("{\"info\":{\"device\":\"ua-memplug-dimm0\",\"source\":3,"
                                 "\"status\":132,\"slot\":\"0\",\"slot-type\":\"DIMM\"}}",
                                 &ost, NULL));
    assert_string_equal(ost.device, "ua-memplug-dimm0");
    assert_int_equal(ost.source, 3);
    assert_int_equal(ost.status, 132);
}

static void
test_a_report_about_something_else_names_no_device(void **state)
{
    static const char *const others[] = {
        "{\"info\":{\"device\":\"cpu1\",\"source\":1,\"status\":0,\"slot-type\":\"CPU\"}}",
        "{\"info\":{\"source\":1,\"status\":0,\"slot-type\":\"DIMM\"}}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        g_auto(LibvirtOst) ost = { NULL };

        assert_true(libvirt_ost_read(others[i], &ost, NULL));
        assert_null(ost.device);
    }
}

static void
test_what_is_no_report_is_refused(void **state)
{
    static const char *const wrong[] = { "", "nonsense", "[]", "{}", "{\"info\":1}" };

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        LibvirtOst ost = { .source = 4711 };

        assert_false(libvirt_ost_read(wrong[i], &ost, &error));
        assert_non_null(error);
        assert_int_equal(ost.source, 4711);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_lose_what_says_nothing),
        cmocka_unit_test(test_the_last_error_is_taken),
        cmocka_unit_test(test_an_error_that_is_none_is_told_of_too),
        cmocka_unit_test(test_a_report_about_a_dimm_is_read),
        cmocka_unit_test(test_a_report_about_something_else_names_no_device),
        cmocka_unit_test(test_what_is_no_report_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
