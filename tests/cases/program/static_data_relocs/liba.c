/* What the static initializers of case.so point to. */
struct point {
    int x, y;
};

struct point liba_points[4] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
static char liba_buffer[16] = "in liba";
char *liba_text = liba_buffer + 3;

int liba_add(int a, int b)
{
    return a + b;
}
