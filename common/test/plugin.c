/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.c - the loader takes what fits and says what there is */
#include "common/plugin.h"

#include <errno.h>
#include <unistd.h>

#include "plugins/work/work.h"
#include "t/tap.h"

static void test_refusals(void)
{
    struct error err = {""};

    errno = 0;
    ok(!plugin_create("work", "../echo", WORK_SYMBOL, WORK_ABI, &err) &&
           errno == EINVAL,
       "a name with a slash is refused");
    is_str(err.text, "\"../echo\" is not a plugin name (a-z, 0-9 and -)",
           "and the message names it");
    ok(!plugin_create("work", "nope", WORK_SYMBOL, WORK_ABI, &err) &&
           errno == ENOENT,
       "an unknown name is refused");
    ok(strstr(err.text, "unknown work plugin \"nope\"; there are: ") &&
           strstr(err.text, "echo"),
       "and the message lists what exists");
    ok(!plugin_create("work", "echo", "no_such_symbol", WORK_ABI, &err) &&
           errno == ENOEXEC && strstr(err.text, "does not export"),
       "an object without the symbol is refused");
    ok(!plugin_create("work", "echo", WORK_SYMBOL, WORK_ABI + 1, &err) &&
           errno == EPROTO && strstr(err.text, "plugin ABI"),
       "another ABI is refused");
}

static void test_load(void)
{
    struct error err = {""};
    struct plugin *p =
        plugin_create("work", "echo", WORK_SYMBOL, WORK_ABI, &err);
    const struct work_plugin *w = p ? plugin_struct(p) : NULL;
    char **names;
    size_t n;

    ok(w, "echo is loaded (%s)", err.text);
    is_str(w ? w->name : "", "echo", "and its struct carries its name");
    plugin_destroy(p);
    plugin_destroy(NULL);
    is_int(plugin_names("work", &names, &n, &err), 0, "plugins are listed");
    ok(n >= 1, "there is at least one");
    for (size_t i = 1; i < n; i++)
        ok(strcmp(names[i - 1], names[i]) < 0, "%s sorts before %s",
           names[i - 1], names[i]);
    plugin_names_free(names, n);
    is_int(plugin_names("no-such-kind", &names, &n, &err), 0,
           "an absent kind is an empty list");
    is_int(n, 0, "of no names");
}

int main(void)
{
    const char *top = getenv("builddir");
    char dir[4096];

    snprintf(dir, sizeof(dir), "%s/plugins", top ? top : ".");
    setenv("FALLOW_PLUGIN_DIR", dir, 1);
    test_refusals();
    test_load();
    done_testing();
    return exit_status();
}
