/* 64-bit integers that cross modules, and come from the host, in two halves (-sWASM_BIGINT=0). */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int64_t swap(int64_t halves);
uint64_t sum(int count, const uint64_t *them);
int64_t apply(int64_t (*function)(int64_t, double), int64_t to);
int64_t (*swap_of_side(void))(int64_t);
static int64_t negate(int64_t value, double plus) { return -value + (int64_t)plus; }
int main(void) {
    int64_t value = 0x0123456789abcdef;
    printf("called: %" PRIx64 "\n", swap(value));
    int64_t (*pointer)(int64_t) = swap;
    printf("by address: %" PRIx64 ", the library's address is %s\n", pointer(value), pointer == swap_of_side() ? "the same" : "another");
    int64_t (*found)(int64_t) = (int64_t (*)(int64_t))dlsym(RTLD_DEFAULT, "swap");
    printf("by dlsym: %" PRIx64 ", the address is %s\n", found(value), found == pointer ? "the same" : "another");
    uint64_t them[] = {UINT64_MAX, 2, 1ull << 40};
    printf("sum: %" PRIu64 "\n", sum(3, them));
    printf("called back: %" PRId64 "\n", apply(negate, 1ll << 35));
    FILE *file = fopen("/tmp/long", "w");
    printf("seek: %d", fseeko(file, 5000000000ll, SEEK_SET));
    printf(" at %lld\n", (long long)ftello(file));
    fclose(file);
    printf("truncate: %d", truncate("/tmp/long", 100));
    file = fopen("/tmp/long", "r");
    fseeko(file, 0, SEEK_END);
    printf(" to %lld\n", (long long)ftello(file));
    time_t then = 5000000000;
    struct tm parts = *gmtime(&then);
    printf("time: %d-%02d-%02d\n", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
    return 0;
}
