/* Proves that libraries go on when the process's memory grows, and that libraries are loaded into memory that has grown. */
/// row: memory | data-after-growth: | Data of a library stays where it is when memory grows | core.dylink_memory_growth
/// row: memory | pointers-after-growth: | Pointers in static data stay right when memory grows | core.dylink_memory_growth
/// row: memory | grown-by-library: | A library that makes memory grow uses what it got | core.dylink_memory_growth
/// row: memory | loaded-after-growth: | A library is loaded after memory has grown | core.dylink_memory_growth
/// row: memory | text-through-host: | Output from memory that has grown reaches the host | core.dylink_memory_growth
/// row: memory | ten-aligned: | Ten libraries with data aligned to 1024 bytes are placed so, on a heap that was used | core.dlfcn_alignment_and_zeroing
/// row: memory | ten-zeroed: | The .bss of ten libraries on a heap that was used is zero | core.dlfcn_alignment_and_zeroing
/// row: memory | ten-apart: | Ten libraries write to their data without touching the others' | core.dlfcn_alignment_and_zeroing
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = 48 << 20, LIBRARIES = 10 };

static int numbers[1000];
static int *const pointer = &numbers[500];

static void *find(void *library, const char *name)
{
    return library != NULL ? dlsym(library, name) : NULL;
}

int run_case(void)
{
    for (int i = 0; i < 1000; i++)
        numbers[i] = i;
    char *large = malloc(LARGE);
    memset(large, 0x55, LARGE);
    int right = 0;
    for (int i = 0; i < 1000; i++)
        right += numbers[i] == i;
    printf("data-after-growth: %d\n", right);
    printf("pointers-after-growth: %d\n", pointer[-1]);

    void *plugin = dlopen("plugin.so", RTLD_NOW);
    printf("loaded-after-growth: %d\n", plugin != NULL && *(int *)find(plugin, "plugin_value") == 3);
    printf("grown-by-library: %d\n", ((int (*)(size_t))find(plugin, "plugin_grow"))(LARGE));
    char *text = large + LARGE - 100;
    strcpy(text, "text-through-host: written from the end\n");
    fputs(text, stdout);
    for (int i = 0; i < LARGE - 100; i += 4096)
        if (large[i] != 0x55)
            printf("changed at %d\n", i);
    free(large);

    for (int i = 0; i < 300; i++) {
        char *block = malloc(3000);
        memset(block, 0xEE, 3000);
        free(block);
    }
    int aligned = 0, zeroed = 0, apart = 0;
    unsigned char *(*data[LIBRARIES])(void);
    for (int i = 0; i < LIBRARIES; i++) {
        char name[20];
        snprintf(name, sizeof name, "aligned%d.so", i);
        void *library = dlopen(name, RTLD_NOW);
        data[i] = (unsigned char *(*)(void))find(library, "aligned_data");
        aligned += (uintptr_t)data[i]() % 1024 == 0;
        int sum = 0;
        for (int at = 0; at < 1500; at++)
            sum += data[i]()[at];
        zeroed += sum == 0;
        memset(data[i](), i + 1, 1500);
        char *block = malloc(777);
        memset(block, 0xDD, 777);
    }
    for (int i = 0; i < LIBRARIES; i++)
        apart += data[i]()[0] == i + 1 && data[i]()[1499] == i + 1;
    printf("ten-aligned: %d\nten-zeroed: %d\nten-apart: %d\n", aligned, zeroed, apart);
    return 0;
}
