"""EventBridge Pipes on one machine, for a DynamoDB stream as source and Firehose as target.

It does what AWS documents, and refuses by name what AWS leaves open or what this pipe lacks.

OperationError
└── DefinitionError         a pipe that AWS would refuse, or that is not supported here
    ├── FilterError         a filter of it
    └── TemplateError       its input template
TransformationFailed        a record whose payload would be invalid
"""
