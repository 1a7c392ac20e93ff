import {
  to = mlk_storage_class.fast
  id = "fast"
}
