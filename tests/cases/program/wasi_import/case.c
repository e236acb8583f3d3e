/* Proves that a library may import WASI's functions itself, without the C library between; elsewhere it calls write(). */
/// row: symbols | 17 bytes written | A library imports a function of the host itself | core.main_module_js_symbol
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __wasi__
struct slice {
    const void *data;
    size_t size;
};

__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write"))) int fd_write(int fd,
    const struct slice *slices, size_t count, size_t *written);
__attribute__((import_module("wasi_snapshot_preview1"), import_name("random_get"))) int random_get(void *data, size_t size);

static size_t write_text(const char *text)
{
    struct slice slice = {text, strlen(text)};
    size_t written = 0;
    return fd_write(1, &slice, 1, &written) == 0 ? written : 0;
}
#else
static int random_get(void *data, size_t size)
{
    return getentropy(data, size);
}

static size_t write_text(const char *text)
{
    return (size_t)write(1, text, strlen(text));
}
#endif

int run_case(void)
{
    fflush(stdout);
    size_t written = write_text("written directly\n");
    printf("%zu bytes written\n", written);
    unsigned char random[32] = {0};
    int result = random_get(random, sizeof random), zeros = 0;
    for (size_t i = 0; i < sizeof random; i++)
        zeros += random[i] == 0;
    printf("random bytes: %d, most are not zero %d\n", result, zeros < 16);
    return 0;
}
