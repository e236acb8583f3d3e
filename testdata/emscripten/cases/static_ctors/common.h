// What both libraries hold a copy of; there must be one of each in the process.
#pragma once
#include <cstdio>
struct Announce {
    const char *name;
    Announce(const char *name) : name(name) { printf("construct %s\n", name); }
    ~Announce() { printf("destroy %s\n", name); fflush(stdout); }
};
// One object for the whole program, though both libraries hold a (weak) copy.
template <typename T> struct Shared {
    static int value;
    static int *address();
};
template <typename T> int Shared<T>::value = 100;
template <typename T> int *Shared<T>::address() { return &value; }
inline int &inline_counter() { static int n = 0; return n; }
inline Announce inline_object{"inline object"};
struct FromLib { int id; FromLib(); };
extern FromLib from_lib;
int *lib_shared_address();
Announce &lib_local_static();
int lib_count();
