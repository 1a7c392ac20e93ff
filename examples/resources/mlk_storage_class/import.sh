# By name.
terraform import mlk_storage_class.fast fast
