/* Found by $ORIGIN alone. */
int target_value = 21;
