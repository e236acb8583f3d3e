/* The program: its arguments, where it got them, and what runs before and behind it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int answer(void);

__attribute__((constructor)) static void before(void) { printf("constructor\n"); }
static void behind(void) { printf("at exit\n"); }

int main(int argc, char **argv) {
    atexit(behind);
    printf("%d arguments, the last is at argv[argc]: %s\n", argc - 1, argv[argc] ? "something" : "NULL");
    for (int i = 1; i < argc; i++) printf("[%s] of %zu bytes\n", argv[i], strlen(argv[i]));
    printf("the main module says %d\n", answer());
    if (argc > 2) exit(argc);
    return argc - 1;
}
