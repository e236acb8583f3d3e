/* Nothing at all. */
typedef int nothing;
