// The library that case.cpp needs: its objects have to be constructed first, by priority.
#include "common.h"
static Announce third("lib default priority");
__attribute__((init_priority(300))) Announce second("lib priority 300");
__attribute__((init_priority(200))) Announce first("lib priority 200");
FromLib::FromLib() : id(31) {}
FromLib from_lib;
__attribute__((constructor)) static void c_constructor() { printf("lib constructor function\n"); }
__attribute__((destructor)) static void c_destructor() { printf("lib destructor function\n"); fflush(stdout); }
int *lib_shared_address() { return Shared<int>::address(); }
Announce &lib_local_static() { static Announce object("lib local static"); return object; }
int lib_count() { return ++inline_counter(); }
