# namespace/name of the StatefulSet
terraform import mlk_sharded_service.vectors ml/vectors
