import {
  to = mlk_storage_class.example
  id = "fast"
}
