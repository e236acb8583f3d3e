/* Proves that two RTLD_LOCAL plugins with the same symbols keep apart: each uses its own functions and data. */
/// row: symbols | left, weak left: value 1, | Of two RTLD_LOCAL libraries with the same symbols each uses its own | ELF gABI; gap.local_same_data_symbol
/// row: symbols | increment: | Data of the same name in two local libraries is two variables | gap.local_same_data_symbol
/// row: symbols | different functions: | dlsym by handle tells two local definitions apart | POSIX dlsym; gap.local_same_data_symbol
/// row: symbols | here: | Local libraries of the same symbol do not touch the opener's | gap.local_same_data_symbol
#include <dlfcn.h>
#include <stdio.h>

int value = 77; /* this library's own, which is local too */

struct plugin {
    void *handle;
    const char *(*name)(void), *(*call_weak_name)(void);
    int (*increment)(void), *(*get_value)(void), (*pointers_agree)(void), (*get_weak_value)(void), *value;
};

static int open_plugin(struct plugin *plugin, const char *file)
{
    plugin->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (plugin->handle == NULL) {
        printf("%s\n", dlerror());
        return 0;
    }
    plugin->name = (const char *(*)(void))dlsym(plugin->handle, "name");
    plugin->call_weak_name = (const char *(*)(void))dlsym(plugin->handle, "call_weak_name");
    plugin->increment = (int (*)(void))dlsym(plugin->handle, "increment");
    plugin->get_value = (int *(*)(void))dlsym(plugin->handle, "get_value");
    plugin->pointers_agree = (int (*)(void))dlsym(plugin->handle, "pointers_agree");
    plugin->get_weak_value = (int (*)(void))dlsym(plugin->handle, "get_weak_value");
    plugin->value = dlsym(plugin->handle, "value");
    return 1;
}

static void show(const struct plugin *plugin)
{
    printf("%s, %s: value %d, weak value %d, its own address %d, pointers agree %d\n", plugin->name(),
        plugin->call_weak_name(), *plugin->value, plugin->get_weak_value(), plugin->get_value() == plugin->value,
        plugin->pointers_agree());
}

int run_case(void)
{
    struct plugin left, right;
    if (!open_plugin(&left, "left.so") || !open_plugin(&right, "right.so"))
        return 1;
    show(&left);
    show(&right);
    left.increment();
    printf("increment: %d, %d\n", left.increment(), right.increment());
    show(&left);
    show(&right);
    printf("different functions: %d, different data: %d\n", left.name != right.name, left.value != right.value);
    printf("here: %d\n", value);
    return 0;
}
