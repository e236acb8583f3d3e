int right_data[3] = {1, 20, 300};
static int started;
__attribute__((constructor)) static void start(void) { started = 1; }
long long right(long long x, double y) { return x * 10000000000LL + (long long)(y * 10) + started; }
