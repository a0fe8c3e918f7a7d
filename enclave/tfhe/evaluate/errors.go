package evaluate

import "errors"

var (
	// ErrComponent reports an operation for which the key set lacks a component.
	ErrComponent = errors.New("evaluate: the key set does not have the component")
	// ErrOperand reports operands that do not go together: of different types, of
	// another parameter set, or not as the operation needs them.
	ErrOperand = errors.New("evaluate: the operand does not fit the operation")
)
