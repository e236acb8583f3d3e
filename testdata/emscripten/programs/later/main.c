/* A library that is loaded when main has returned, one that is there already, and one that is not there. */
#include <dlfcn.h>
#include <emscripten.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int first, second, third;
static int *counter;
static void missing(void *data) {
    printf("the third is refused: %s, %s\n", data == &third ? "its data" : "other data", dlerror() ? "with a message" : "without a word");
}
static void opened_missing(void *data, void *handle) { printf("the third is there\n"); }
static void opened_again(void *data, void *handle) {
    printf("the second is opened: %s, %s\n", data == &second ? "its data" : "other data", dlsym(handle, "counter") == (void *)counter ? "the same library" : "another library");
    emscripten_dlopen("nowhere.so", RTLD_NOW, &third, opened_missing, missing);
    printf("the third is asked for\n");
}
static void refused(void *data) { printf("refused: %s\n", dlerror()); }
static void opened(void *data, void *handle) {
    counter = dlsym(handle, "counter");
    printf("the first is opened: %s, counter %d\n", data == &first ? "its data" : "other data", counter ? *counter : -1);
    int (*count)(void) = (int (*)(void))dlsym(handle, "count");
    printf("counted: %d\n", count());
    emscripten_dlopen("side.so", RTLD_NOW, &second, opened_again, refused);
    printf("the second was asked for\n");
    printf("closed: %d\n", dlclose(handle));
    void *again = dlopen("side.so", RTLD_NOW);
    int *same = again ? dlsym(again, "counter") : 0;
    printf("opened as ever: %s\n", same == counter ? "the same library" : "another library");
}
static void main_program(void *data, void *handle) { printf("the main program: %s\n", dlsym(handle, "fflush") ? "at once" : "without fflush"); }
int main(int argc, char **argv) {
    emscripten_dlopen(0, RTLD_NOW, 0, main_program, refused);
    emscripten_dlopen("side.so", RTLD_NOW, &first, opened, refused);
    printf("main returns\n");
    return argc > 1 ? atoi(argv[1]) : 0;
}
