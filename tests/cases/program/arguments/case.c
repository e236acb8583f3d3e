/* Proves that a library gets at the arguments of the process without the main program's help. */
/// row: c | arguments: | The arguments of the process are there for a library | core.dylink_argv_argc
#include <stdio.h>
#include <string.h>

static char text[4096];

#ifdef __wasm__
__attribute__((import_module("wasi_snapshot_preview1"), import_name("args_get"))) int args_get(char **arguments, char *text);
__attribute__((import_module("wasi_snapshot_preview1"), import_name("args_sizes_get"))) int args_sizes_get(int *count, int *size);

static int get_arguments(char **arguments, int most)
{
    int count, size;
    if (args_sizes_get(&count, &size) != 0 || count > most || size > (int)sizeof text)
        return -1;
    return args_get(arguments, text) == 0 ? count : -1;
}
#else
static int get_arguments(char **arguments, int most)
{
    FILE *file = fopen("/proc/self/cmdline", "r");
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    int count = 0;
    for (char *at = text; at < text + size && count < most; at += strlen(at) + 1)
        arguments[count++] = at;
    return count;
}
#endif

int run_case(void)
{
    char *arguments[10];
    int count = get_arguments(arguments, 10);
    printf("arguments: %d, the last is %s\n", count, count > 0 ? arguments[count - 1] : "none");
    return 0;
}
