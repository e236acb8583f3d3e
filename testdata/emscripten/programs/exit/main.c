/* The ways to end, with what runs then and the status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
void enter(void);
static void first(void) { printf("registered first\n"); }
static void second(void) { printf("registered second\n"); }
__attribute__((destructor)) static void destructor(void) { printf("the main module's destructor\n"); }
int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "return";
    int status = argc > 2 ? atoi(argv[2]) : 0;
    atexit(first);
    enter();
    atexit(second);
    printf("%s %d\n", how, status);
    if (!strcmp(how, "exit")) exit(status);
    if (!strcmp(how, "_exit")) { fflush(stdout); _exit(status); }
    if (!strcmp(how, "abort")) { fflush(stdout); abort(); }
    return status;
}
