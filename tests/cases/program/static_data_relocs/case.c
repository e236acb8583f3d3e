/* Proves that addresses in static initializers are relocated: functions and data, own and others', with offsets. */
/// row: memory | add: | Function pointers in static tables are relocated | core.dylink_static_funcpointers
/// row: memory | 1 2 3 1 | Static data points to static data of its own library | core.dylink_postsets_chunking
/// row: memory | edges: | Addresses with an offset, also one past the end, are relocated | tool-conventions; core.dylink_postsets_chunking
/// row: memory | in liba: | Static data points into another library's data, with an offset | ELF gABI
/// row: memory | C library: | Static tables hold functions of the C library | core.dylink_static_funcpointers; core.main_module_js_symbol
/// row: memory | unaligned: | Addresses in packed structures are relocated at odd places | tool-conventions
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct point {
    int x, y;
};

extern struct point liba_points[];
extern char *liba_text;
int liba_add(int a, int b);

static int subtract(int a, int b)
{
    return a - b;
}

int multiply(int a, int b)
{
    return a * b;
}

/* Nothing below is both static and constant: the compiler must not know what is in it. */
struct operation {
    char sign;
    int (*function)(int, int);
    const char *name;
};

struct operation operations[] = {
    {'+', liba_add, "add"},
    {'-', subtract, "subtract"},
    {'*', multiply, "multiply"},
    {'?', NULL, NULL},
};

struct node {
    int value;
    struct node *next;
};

/* a ring that is linked through itself */
struct node ring[3] = {{1, &ring[1]}, {2, &ring[2]}, {3, &ring[0]}};

static int numbers[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
int *edges[] = {numbers, &numbers[9], numbers + 10};
int **edges_pointer = &edges[1];
struct point *points[] = {&liba_points[0], &liba_points[3]};
int *inside = &liba_points[2].y;
char **text_of_liba = &liba_text;
const char *strings[] = {"one", &"two"[1], ""};
size_t (*of_the_c_library[])(const char *) = {strlen};
int (*comparison)(const char *, const char *) = strcmp;

#pragma pack(push, 1)
struct {
    char before;
    int *pointer;
    int (*function)(int, int);
} unaligned = {1, &numbers[7], multiply};
#pragma pack(pop)

int run_case(void)
{
    for (const struct operation *o = operations; o->function != NULL; o++)
        printf("%s: 12 %c 3 = %d\n", o->name, o->sign, o->function(12, 3));
    const struct node *node = ring;
    for (int i = 0; i < 7; i++, node = node->next)
        printf("%d ", node->value);
    printf("around the ring\n");
    printf("edges: %d %d %td, through a pointer %d\n", *edges[0], *edges[1], edges[2] - edges[0], **edges_pointer);
    printf("in liba: %d %d, inside %d\n", points[0]->x, points[1]->y, *inside);
    printf("distance: %td\n", points[1] - points[0]);
    printf("text: %s\n", *text_of_liba);
    printf("strings: %s %s '%s'\n", strings[0], strings[1], strings[2]);
    printf("C library: %zu, %d\n", of_the_c_library[0]("seven77"), comparison("a", "b") < 0);
    int (*function)(int, int) = unaligned.function;
    int *pointer = unaligned.pointer;
    printf("unaligned: %d %d\n", *pointer, function(6, 7));
    return 0;
}
