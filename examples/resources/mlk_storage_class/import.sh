terraform import mlk_storage_class.example fast
