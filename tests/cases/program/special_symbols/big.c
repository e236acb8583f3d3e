/* Some data, and much that is zero. */
enum { DATA = 1 << 16, ZEROS = 16 << 20 };

static unsigned char zeros[ZEROS];
static unsigned data[DATA / sizeof(unsigned)] = {[0] = 1, [1000] = 2, [DATA / sizeof(unsigned) - 1] = 3};

int big_check(void)
{
    unsigned sum = 0;
    for (int i = 0; i < ZEROS; i += 1001)
        sum += zeros[i];
    for (unsigned i = 0; i < DATA / sizeof(unsigned); i++)
        sum += data[i];
    zeros[ZEROS - 1] = (unsigned char)sum;
    return zeros[ZEROS - 1];
}
