/* Data that has to be aligned, and is zero. */
static unsigned char data[1500] __attribute__((aligned(1024)));

unsigned char *aligned_data(void)
{
    return data;
}
