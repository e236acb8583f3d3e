// Exceptions, longjmp and thread_local on the only thread, and what asking for another one gives.
// row: c | pthread_create: ENOTSUP | pthread_create fails in a library, as in an Emscripten build without threads | POSIX pthread_create; core.pthread_dylink_exceptions; core.pthread_dylink_longjmp | A process of pydl has one thread, as Pyodide has: a library built for shared memory is refused
// row: c++ | std::thread: ENOTSUP | The constructor of std::thread throws std::system_error in a library | ISO C++ thread; core.pthread_dylink_exceptions
// row: c++ | caught: refused at depth 14 | An exception through frames of another library runs their destructors, which count back its thread_local variable | ISO C++ thread_local; core.pthread_dylink_exceptions
// row: c | jumped: 7 | longjmp out of another library keeps what its thread_local variable was set to | ISO C longjmp; core.pthread_dylink_longjmp
// row: c++ | caught: refused at depth 15 | Exceptions work after a longjmp through the same library | core.pthread_dylink_longjmp
#include <cerrno>
#include <cstdio>
#include <pthread.h>
#include <system_error>
#include <thread>

#include "lib.h"

namespace {
thread_local int case_caught = 0;

void *thread(void *)
{
    std::puts("a second thread runs");
    return nullptr;
}

const char *name_of(int error)
{
    switch (error) {
    case 0:
        return "0";
    case EAGAIN:
        return "EAGAIN";
    case ENOTSUP:
        return "ENOTSUP";
    default:
        return "another error";
    }
}

void throws()
{
    try {
        lib_throw(3);
    } catch (const std::runtime_error &error) {
        ++case_caught;
        std::printf("caught: %s, %s, now %d\n", error.what(), dynamic_cast<const Refused *>(&error) ? "Refused" : "?", lib_depth);
    }
}

void jumps()
{
    jmp_buf target;
    if (int value = setjmp(target)) {
        std::printf("jumped: %d, now %d\n", value, lib_depth);
        return;
    }
    lib_jump(target, 7);
}
}

extern "C" int run_case()
{
    pthread_t other;
    std::printf("pthread_create: %s\n", name_of(pthread_create(&other, nullptr, thread, nullptr)));
    try {
        std::thread second([] { std::puts("a second thread runs"); });
        second.join();
    } catch (const std::system_error &error) {
        std::printf("std::thread: %s\n", name_of(error.code().value()));
    }
    throws();
    jumps();
    throws();
    std::printf("caught in the case: %d\n", case_caught);
    return 0;
}
